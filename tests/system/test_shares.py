"""A full gateway: nobody who holds much keeps out a client that holds little."""

from http.client import HTTPConnection

import pytest

from tests.system.pair import Pair

POLL = "/socket.io/?EIO=4&transport=polling"
FULL = 6


def open_session(pair: Pair, source: str = "127.0.0.1", forwarded: str | None = None) -> int:
    """Open a polling session and leave it alone; return the status of the answer."""
    connection = HTTPConnection("127.0.0.1", pair.web, timeout=10, source_address=(source, 0))
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    try:
        connection.request("GET", POLL, headers={"Connection": "close", **headers})
        return connection.getresponse().status
    except OSError:
        pytest.skip("this system has one loopback address only")
    finally:
        connection.close()


def test_other_address_gets_in(pair: Pair) -> None:
    pair.start_gateway(SPOKE_MAX_CONNECTIONS=str(FULL))
    assert {open_session(pair, "127.0.0.2") for _ in range(FULL)} == {200}
    assert open_session(pair, "127.0.0.2") == 503
    newcomers = [open_session(pair) for _ in range(FULL)]
    assert newcomers == [200] * (FULL // 2) + [503] * (FULL // 2)


def test_clients_of_a_trusted_proxy(pair: Pair) -> None:
    gateway = pair.start_gateway(
        SPOKE_MAX_CONNECTIONS=str(FULL), SPOKE_TRUSTED_PROXIES="127.0.0.0/8"
    )
    assert {open_session(pair, forwarded="5.6.7.8") for _ in range(FULL)} == {200}
    assert open_session(pair, forwarded="5.6.7.8") == 503
    assert open_session(pair, forwarded="made up, 9.9.9.9") == 200
    assert "forwarded_client_ignored" not in gateway.output


def test_unlisted_proxy_is_told_once(pair: Pair) -> None:
    gateway = pair.start_gateway(SPOKE_MAX_CONNECTIONS=str(FULL))
    assert {open_session(pair, forwarded=f"5.6.7.{n}") for n in range(FULL)} == {200}
    assert open_session(pair, forwarded="9.9.9.9") == 503
    gateway.wait_for_line("forwarded_client_ignored proxy=127.0.0.1 .*SPOKE_TRUSTED_PROXIES")
    assert gateway.output.count("forwarded_client_ignored") == 1
