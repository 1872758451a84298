"""Whether a port can be had, and who has it."""

import os
import socket

import pytest

from scripts.port_use import Listener, holder_of, trouble_with
from tests.ports import free_port


def listener(host: str, port: int) -> Listener:
    return Listener("the gateway", host, port, "SPOKE_GATEWAY_HOST", "PORT")


@pytest.mark.parametrize("host", ["127.0.0.1", "*", "eth7"])
def test_a_free_port_is_no_trouble(host: str) -> None:
    assert trouble_with(listener(host, free_port())) is None


@pytest.mark.parametrize("bound", ["127.0.0.1", ""])
@pytest.mark.parametrize("host", ["127.0.0.1", "*"])
def test_used_port_names_holder(host: str, bound: str) -> None:
    with socket.create_server((bound, 0)) as server:
        port = server.getsockname()[1]
        trouble = trouble_with(listener(host, port))
    assert trouble is not None
    assert trouble.startswith(f"the gateway needs port {port}, which '")
    assert trouble.endswith(f"' (process {os.getpid()}) uses: stop it, or change PORT")


def test_recently_used_port_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), server.accept()[0] as accepted:
            accepted.shutdown(socket.SHUT_RDWR)  # this side closes first: it stays in TIME_WAIT
    assert trouble_with(listener("127.0.0.1", port)) is None


def test_an_address_of_another_machine_is_said() -> None:
    trouble = trouble_with(listener("192.0.2.1", free_port()))  # reserved for documentation
    assert trouble is not None
    assert "cannot listen on 192.0.2.1" in trouble
    assert trouble.endswith("change SPOKE_GATEWAY_HOST")


def test_nobody_holds_a_free_port() -> None:
    assert holder_of(free_port()) is None
