"""What Flask-SocketIO's documentation names does here what it does on the stock class."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from gateway.transport import SocketIO
from tests.gateway.transport.clients import Polls, within
from tests.gateway.transport.documented import STOCK, build
from tests.gateway.transport.servers import serve


class Member:
    """A client that polls, in the namespace ``/`` and perhaps others."""

    def __init__(self, port: int) -> None:
        self.polls = Polls(port)
        target = self.polls.target() + "&q=1"
        opened = self.polls.request("GET", target, headers={"X-Who": "me"}).body
        self.eio_sid = json.loads(opened[1:])["sid"]
        self.heard: list[str] = []
        self.asked = 0
        self.sid = json.loads(self.connect("")[2:])["sid"]

    def connect(self, namespace: str, auth: str = "") -> str:
        """Ask for a namespace; return the answer."""
        prefix = f"{namespace}," if namespace else ""
        self.say(f"40{prefix}{auth}")
        return self.listen(rf"4[04]{re.escape(prefix)}[{{].*")

    def say(self, *packets: str) -> None:
        self.polls.post(self.eio_sid, "\x1e".join(packets))

    def ask(self, *event: Any, namespace: str = "") -> str:
        """Send an event; return what its acknowledgement holds."""
        self.asked += 1
        self.say(f"42{namespace}{self.asked}{json.dumps(event)}")
        found = self.listen(f"43{re.escape(namespace)}{self.asked}(.*)")
        return found.partition("[")[1] + found.partition("[")[2]

    def listen(self, pattern: str) -> str:
        """Return the first message that matches, also one heard before; poll until there is one."""
        with within(10):
            while True:
                for message in self.heard:
                    if re.fullmatch(pattern, message):
                        return message
                self.heard += self.polls.get(self.eio_sid).body.split("\x1e")

    def all_heard(self) -> list[str]:
        """Return everything until now, in order, and forget it."""
        self.ask("echo", "until now")
        heard, self.heard = self.heard, []
        return heard


@contextmanager
def members(kind: Any, count: int, **options: Any) -> Iterator[tuple[Any, list[Member]]]:
    app, sockets = build(kind, **options)
    with serve(app) as port:
        them = [Member(port) for _ in range(count)]
        yield sockets, them
        for member in them:  # the stock server waits for ever for a client it disconnects
            member.say("1")
        sockets.server.shutdown()


Play = Callable[[Any, list[Member]], Any]


def play_messages(sockets: Any, them: list[Member]) -> Any:
    one, two, three = them
    answers = [
        one.ask("echo"),
        one.ask("echo", 1, None, {"a": [True]}),
        one.ask("named", 5),
        one.ask("rooms", "a", "b"),
        two.ask("rooms", "b"),
        three.ask("rooms", "c"),
        one.ask("leave", "b"),
        one.ask("message", "all"),
        one.ask("json", {"x": 1}),
        one.ask("to", "b", {}),
        one.ask("to", ["a", "c"], {}),
        one.ask("to", ["a", "c"], {"include_self": False}),
        one.ask("to", "b", {"skip_sid": [two.sid, three.sid]}),
        one.ask("to", None, {"broadcast": True, "skip_sid": two.sid}),
        one.ask("to", three.sid, {}),
        one.ask("to", None, {}),
        one.ask("everything but", [one.sid, three.sid]),
        three.ask("close", "a"),
        one.ask("to", "a", {"broadcast": True}),
        one.ask("background"),
        one.ask("fail"),
        one.ask("count") + one.ask("count") + two.ask("count"),
        one.ask("kept", 1) + one.ask("kept", 2),
        one.ask("who") == json.dumps([one.sid]),
    ]
    one.ask("call back")
    number = one.listen(r'42\d+\["question",1,2\]').partition("[")[0][2:]
    one.say(f'43{number}["x",{{"y":2}}]')
    two.listen('42."answers".*')
    return answers, [member.all_heard() for member in them]


def play_outside_of_handlers(sockets: Any, them: list[Member]) -> Any:
    one, two = them
    server = sockets.server
    server.enter_room(one.sid, "r")
    server.enter_room(two.sid, "r", namespace="/")
    named = sorted(len(server.rooms(member.sid)) for member in them)
    sockets.emit("a", {"n": 1}, to="r", skip_sid=one.sid)
    sockets.emit("b", (1, 2), room=[one.sid, two.sid])
    sockets.emit("c")
    sockets.send("text", to=two.sid)
    sockets.send([1], json=True, to="r")
    server.leave_room(two.sid, "r")
    server.send("s", to="r")
    sockets.close_room("r")
    server.emit("nobody", to="r")
    query = server.get_environ(one.sid)["QUERY_STRING"]
    return named, query, [member.all_heard() for member in them]


def play_namespaces(sockets: Any, them: list[Member]) -> Any:
    one, two = them
    connected = [
        one.connect("/chat", "null")[:8],
        two.connect("/chat", '{"token":[1]}')[:8],
        one.connect("/chat2")[:9],
        one.connect("/quiet")[:9],
    ]
    answers = [
        one.ask("join", "r", namespace="/chat,"),
        two.ask("join", "r", namespace="/chat,"),
        one.ask("say", "r", "hello", namespace="/chat,"),
        one.ask("fail", namespace="/chat,"),
        one.ask("anything", 1, namespace="/chat2,"),
        one.ask("fail", namespace="/chat2,"),
        one.ask("no handler", namespace="/quiet,"),
        two.ask("close", "r", namespace="/chat,"),
        two.ask("say", "r", "nobody", namespace="/chat,"),
    ]
    two.say("41/chat,")
    one.listen('42/chat,."left".*')
    one.say("41/quiet,")
    two.listen('42."left".*')
    return connected, answers, [sorted(member.all_heard()) for member in them]


def play_refusals(sockets: Any, them: list[Member]) -> Any:
    one, two = them
    answers = [one.connect("/chat", '"no"'), two.connect("/chat", '"why"')]
    chat = json.loads(Member(one.polls.port).connect("/chat")[8:])["sid"]
    one.ask("kick", chat, "/chat")
    one.say(f'42["kick","{two.sid}","/"]')
    two.listen("41")
    return answers, two.heard


PLAYS: dict[Play, int] = {
    play_messages: 3,
    play_outside_of_handlers: 2,
    play_namespaces: 2,
    play_refusals: 2,
}


def without_sids(told: Any) -> Any:
    return json.loads(re.sub(r"[\w-]{20}", "SID", json.dumps(told)))


@pytest.mark.parametrize("play", PLAYS, ids=lambda play: play.__name__)
def test_clients_get_the_stock_answers(play: Play) -> None:
    told = []
    for kind in (STOCK, SocketIO):
        with members(kind, PLAYS[play]) as (sockets, them):
            told.append(without_sids(play(sockets, them)))
    stock, ours = told
    assert ours == stock


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("manage_session", [False, True])
def test_test_client_is_told_the_same(late: bool, manage_session: bool) -> None:
    told = []
    for kind in (STOCK, SocketIO):
        app, sockets = build(kind, late=late, manage_session=manage_session)
        told.append(without_sids(use_test_client(app, sockets)))
    stock, ours = told
    assert ours == stock


def use_test_client(app: Any, sockets: Any) -> list[Any]:
    http = app.test_client()
    http.get("/count")
    client = sockets.test_client(
        app, query_string="?q=2", headers={"X-Who": "test"}, flask_test_client=http
    )
    chat = sockets.test_client(app, "/chat", auth={"a": 1})
    refused = [
        sockets.test_client(app, "/chat", auth=auth).is_connected("/chat") for auth in ("no",)
    ]
    told = [
        refused,
        client.emit("named", 1, callback=True),
        client.emit("count", callback=True),
        client.emit("echo", b"\1", {"deep": [b"\2"]}, callback=True) == [b"\1", {"deep": [b"\2"]}],
        client.emit("fail", callback=True),
        client.send("text", callback=True),
        client.send({"j": 1}, json=True, callback=True),
        client.get_received(),
        chat.emit("join", "r", namespace="/chat", callback=True),
        chat.get_received("/chat"),
    ]
    chat.disconnect("/chat")
    told.append([chat.is_connected("/chat"), client.is_connected()])
    client.connect("/chat2")
    told.append(client.emit("other", 3, namespace="/chat2", callback=True))
    client.disconnect()
    return told
