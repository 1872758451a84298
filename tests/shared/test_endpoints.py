import errno
import os

import pytest

from shared.endpoints import why_not_bound, why_not_connected

ENDPOINT = "tcp://127.0.0.1:80"
ELSEWHERE = "or give another address with SPOKE_PUB_BIND or --pub-bind"


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.EADDRINUSE, f"{ENDPOINT} is in use, perhaps by a bike; stop it"),
        (errno.EACCES, f"{ENDPOINT} needs more rights than you have; take a port above 1023"),
        (
            errno.ENODEV,
            f"cannot listen on {ENDPOINT}: No such device; use an address of this machine",
        ),
    ],
)
def test_bind_error_gives_advice(number: int, expected: str) -> None:
    told = why_not_bound("SPOKE_PUB_BIND", ENDPOINT, number, os.strerror(number), "a bike")
    assert told == f"SPOKE_PUB_BIND: {expected} {ELSEWHERE}"


def test_ipc_endpoint_in_bind_error() -> None:
    endpoint = "ipc:///tmp/bikes"
    told = why_not_bound("SPOKE_REPLAY_BIND", endpoint, errno.EADDRINUSE, "", "a bike")
    assert told.startswith(f"SPOKE_REPLAY_BIND: {endpoint} is in use")


def test_connect_error_names_setting() -> None:
    told = why_not_connected("SPOKE_DEVICE_CONNECT", "nonsense", "Invalid argument")
    assert told == (
        "SPOKE_DEVICE_CONNECT: cannot connect to nonsense: Invalid argument;"
        " correct SPOKE_DEVICE_CONNECT"
    )
