from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import zmq

from device.sockets import open_sockets
from shared.contexts import open_context
from shared.errors import SettingsError
from shared.settings import Settings, load_settings


def settings(*flags: str) -> Settings:
    return load_settings("device", flags, {}, Path("/nonexistent"))


@pytest.mark.parametrize(("bikes", "queue"), [(1, 10_000), (500, 10_000), (1000, 20_000)])
def test_high_water_mark_of_fleet(free_port: Callable[[], int], bikes: int, queue: int) -> None:
    wanted = settings(
        "--fleet-size",
        str(bikes),
        "--pub-bind",
        f"tcp://127.0.0.1:{free_port()}",
        "--replay-bind",
        f"tcp://127.0.0.1:{free_port()}",
    )
    with open_context() as context, closing(open_sockets(context, wanted)) as sockets:
        assert sockets.pub.sndhwm == queue


def test_sockets_open_as_the_settings_say(free_port: Callable[[], int]) -> None:
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    wanted = settings("--pub-connect", endpoint, "--replay-connect", "tcp://127.0.0.1:9")
    with open_context() as context, closing(open_sockets(context, wanted)) as sockets:
        assert [link.endpoint for link in sockets.links] == ["tcp://127.0.0.1:9"]
        assert sockets.links[0].socket.type == zmq.DEALER


def test_first_port_is_released_on_error(
    free_port: Callable[[], int],
) -> None:
    pub, replay = (f"tcp://127.0.0.1:{free_port()}" for _ in range(2))
    wanted = settings("--pub-bind", pub, "--replay-bind", replay)
    with open_context() as context, closing(context.socket(zmq.PUB)) as other:
        other.bind(replay)
        with open_context() as mine, pytest.raises(SettingsError, match="SPOKE_REPLAY_BIND"):
            open_sockets(mine, wanted)
        with closing(context.socket(zmq.PUB)) as again:
            again.bind(pub)
            assert again.last_endpoint == pub.encode()


def test_every_socket_takes_addresses_of_ipv6_too(free_port: Callable[[], int]) -> None:
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    wanted = settings("--pub-connect", "tcp://[::1]:9", "--replay-bind", endpoint)
    with open_context() as context, closing(open_sockets(context, wanted)) as sockets:
        # not tried: not every machine has IPv6
        assert [opened.ipv6 for opened in (sockets.pub, sockets.links[0].socket)] == [1, 1]
