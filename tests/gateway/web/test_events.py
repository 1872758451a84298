"""Requests whose client has left: a gateway with a real WebSocket."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from loguru import logger

from gateway.app import Gateway
from gateway.hub import ANSWERS_ABOUT_ALL
from tests.gateway.apps import gateway_of, make_app
from tests.gateway.transport.clients import WebSocketClient, connect_namespace, until
from tests.gateway.transport.servers import end, serve

SUBSCRIBE = '{"devices":"*","since":{"*":"0-0"}}'


@pytest.fixture
def full() -> Iterator[tuple[Gateway, WebSocketClient]]:
    """A gateway that writes as many long answers as it may, and a client of it."""
    app = make_app()
    gateway = gateway_of(app)
    with ExitStack() as stack:
        port = stack.enter_context(serve(app))
        stack.callback(end, gateway.server.server.eio)
        for _ in range(ANSWERS_ABOUT_ALL):
            gateway.hub._answers_about_all.acquire()
        client = WebSocketClient(port)
        stack.callback(client.close)
        yield gateway, client


def go_on(gateway: Gateway) -> None:
    for _ in range(ANSWERS_ABOUT_ALL):
        gateway.hub._answers_about_all.release()


def test_client_that_left_is_not_subscribed(full: tuple[Gateway, WebSocketClient]) -> None:
    gateway, client = full
    connect_namespace(client)
    (known,) = gateway.hub.fanout.clients.values()
    client.text(f'42["subscribe",{SUBSCRIBE}]')
    until(gateway.hub._answers_about_all.linkcount)  # it waits in line
    client.close()
    until(lambda: not gateway.server.server.eio.sockets)
    go_on(gateway)
    until(lambda: not gateway.hub.fanout.clients)
    assert not known.everything


def test_client_left_namespace_logs_no_error(
    full: tuple[Gateway, WebSocketClient],
) -> None:
    gateway, client = full
    failures: list[str] = []
    sink = logger.add(failures.append, level="ERROR", format="{message}")
    assert client.next_message().startswith("0")
    client.text(f'40{{"subscribe":{SUBSCRIBE}}}')
    assert client.next_message().startswith("40")
    until(gateway.hub._answers_about_all.linkcount)
    client.text("41")
    until(lambda: not gateway.hub.fanout.clients)
    go_on(gateway)
    client.text("40")
    assert client.next_message().startswith("40")
    logger.remove(sink)
    assert failures == []
