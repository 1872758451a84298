"""Where a server listens, and where a browser finds it."""

import socket

import psutil
import pytest

from shared.addresses import page_url, socket_address


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://localhost:5000/"),
        ("0.0.0.0", "http://localhost:5000/"),  # noqa: S104  # text
        ("::", "http://localhost:5000/"),
        ("::1", "http://[::1]:5000/"),
        ("127.0.0.2", "http://127.0.0.2:5000/"),
        ("192.168.1.7", "http://192.168.1.7:5000/"),
        ("fd00::7", "http://[fd00::7]:5000/"),
        ("fe80::1%eth0", "http://[fe80::1%25eth0]:5000/"),
        ("bike.local", "http://bike.local:5000/"),
        ("localhost", "http://localhost:5000/"),
    ],
)
def test_page_url_for_local_browser(host: str, url: str) -> None:
    assert page_url(host, 5000) == url


def test_socket_address_without_zone() -> None:
    assert socket_address("::1", 5000) == ("::1", 5000)
    assert socket_address("bike.local", 5000) == ("bike.local", 5000)


def test_address_with_a_zone_can_be_bound() -> None:
    zoned = [
        it.address
        for of_interface in psutil.net_if_addrs().values()
        for it in of_interface
        if it.family == socket.AF_INET6 and "%" in it.address
    ]
    for host in zoned:
        with socket.socket(socket.AF_INET6) as server:
            server.bind(socket_address(host, 0))
            assert server.getsockname()[3] > 0


def test_unknown_zone_is_an_error() -> None:
    with pytest.raises(OSError, match="not known"):
        socket_address("fe80::1%no-such-zone", 5000)
