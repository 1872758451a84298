"""The events of clients: a gateway with a real WebSocket."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count

import gevent
import pytest
from loguru import logger

from gateway.app import Gateway
from gateway.fanout import subscription_table
from gateway.hub import ANSWERS_ABOUT_ALL
from gateway.transport.event_loop import timeslice
from tests.gateway.apps import EPOCH, gateway_of, make_app, publish
from tests.gateway.transport.clients import WebSocketClient, connect_namespace, until
from tests.gateway.transport.servers import end, serve

LAST_SEQ = 200
SUBSCRIBE = '{"devices":"*","since":{"*":"0-0"}}'


@pytest.fixture
def full() -> Iterator[tuple[Gateway, WebSocketClient]]:
    """A gateway that writes as many long answers as it may, and a client of it."""
    app = make_app()
    gateway = gateway_of(app)
    with ExitStack() as stack:
        port = stack.enter_context(serve(app))
        stack.callback(end, gateway.socketio.server.eio)
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
    until(lambda: not gateway.socketio.server.eio.sockets)
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


def publish_and_send(gateway: Gateway, bikes: list[str]) -> None:
    """Publish and send, turn by turn, whenever another greenlet pauses; in the end only send."""
    for seq in count(2):
        for bike in bikes if seq <= LAST_SEQ else ():
            publish(gateway.hub, bike, range(seq, seq + 1))
        gateway.hub.turn()
        gevent.sleep(0)


@pytest.mark.parametrize("ack", ["1", ""])
@pytest.mark.parametrize("devices", ["*", ["a", "b", "c", "d"]])
def test_answer_status_gap_live(
    monkeypatch: pytest.MonkeyPatch, devices: str | list[str], ack: str
) -> None:
    for name in ("SLICE_S", "PIECE_S"):
        monkeypatch.setattr(timeslice, name, 0.0)  # each place that may give way does
    for name in ("PLACED_AT_ONCE", "ANSWERED_AT_ONCE"):
        monkeypatch.setattr(subscription_table, name, 1)
    app, bikes = make_app(), ["a", "b", "c", "d"]
    gateway = gateway_of(app)
    for bike in bikes:
        publish(gateway.hub, bike, range(1, 3), EPOCH - 1)
        publish(gateway.hub, bike, range(1, 2))
    with ExitStack() as stack:
        port = stack.enter_context(serve(app))
        stack.callback(end, gateway.socketio.server.eio)
        stack.callback(gevent.spawn(publish_and_send, gateway, bikes).kill)
        client = WebSocketClient(port)
        stack.callback(client.close)
        connect_namespace(client)
        since = dict.fromkeys(bikes, f"{EPOCH - 1}-2")
        client.text(f'42{ack}["subscribe",{json.dumps({"devices": devices, "since": since})}]')
        if ack:
            assert client.next_message().startswith('431[{"ok":true')
        count_due = len(bikes) * (1 + 1 + LAST_SEQ)  # of each a status, a gap and the readings
        received = [json.loads(client.next_message()[2:]) for _ in range(count_due)]
    assert [name for name, _body in received[:4]] == ["device_status"] * 4
    for bike in bikes:
        own = [(name, body) for name, body in received[4:] if body["device_id"] == bike]
        assert (own[0][0], own[0][1]["before"]) == ("gap", f"{EPOCH}-1")
        assert {name for name, _body in own[1:]} == {"speed_change"}
        assert [body["seq"] for _name, body in own[1:]] == [*range(1, LAST_SEQ + 1)]
