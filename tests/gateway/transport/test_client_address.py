"""Client addresses, with and without trusted proxies."""

import pytest

from gateway.transport.limits.client_address import LOCAL, TrustedProxies, holder_of


@pytest.mark.parametrize(
    ("host", "holder"),
    [
        ("127.0.0.2", "127.0.0.2"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", LOCAL),
    ],
)
def test_holder(host: str, holder: str) -> None:
    assert holder_of(host) == holder


PROXIES = TrustedProxies(["10.0.0.0/8", "::1", "192.168.1.1"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("1.2.3.4", None, "1.2.3.4"),
        ("1.2.3.4", "5.6.7.8", "1.2.3.4"),
        ("10.1.1.1", "5.6.7.8", "5.6.7.8"),
        ("10.1.1.1", "evil, 5.6.7.8, 192.168.1.1, 10.2.2.2", "5.6.7.8"),
        ("10.1.1.1", "9.9.9.9, 5.6.7.8", "5.6.7.8"),
        ("10.1.1.1", "10.3.3.3", "10.3.3.3"),
        ("10.1.1.1", "unknown", "10.1.1.1"),
        ("10.1.1.1", "", "10.1.1.1"),
        ("10.1.1.1", "5.6.7.8:1234", "5.6.7.8"),
        ("::1", "[2001:db8::1]:443", "2001:db8::1"),
        ("::ffff:10.1.1.1", "2001:db8::1", "2001:db8::1"),
        ("10.1.1.1", "5.6.7.8" + ",10.1.1.1" * 50, "10.1.1.1"),
        ("", "5.6.7.8", ""),
    ],
)
def test_client(peer: str, forwarded: str | None, client: str) -> None:
    environ = {"REMOTE_ADDR": peer}
    if forwarded is not None:
        environ["HTTP_X_FORWARDED_FOR"] = forwarded
    assert PROXIES.client(environ) == client


def test_hidden_client() -> None:
    named = {"HTTP_X_FORWARDED_FOR": "5.6.7.8"}
    assert PROXIES.is_client_hidden({"REMOTE_ADDR": "1.2.3.4", **named})
    assert not PROXIES.is_client_hidden({"REMOTE_ADDR": "10.0.0.1", **named})
    assert not PROXIES.is_client_hidden({"REMOTE_ADDR": "1.2.3.4"})
