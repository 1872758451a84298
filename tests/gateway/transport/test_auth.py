"""The data of a CONNECT: of any JSON type it reaches the handler or is answered by a refusal."""

import json
from typing import Any

import pytest
from flask_socketio import ConnectionRefusedError as Refused

from gateway.transport.stock.strict_json import MAX_CONTAINERS
from tests.gateway.transport.clients import Polls, WebSocketClient
from tests.gateway.transport.servers import Happenings, flask_app

NOTHING = ("", "null", "false", "0", "[]", "{}", '""')
"""The stock server gives None to the handler for all of these."""
VALUES = (
    *("1", "5", "123", "-5", "1.5", "1e-5", "0.5", "12345678901234567890", "9" * 101, "true"),
    *(
        '"token"',
        '"5-[x]"',
        '"/admin,1"',
        '["a",null,[1]]',
        '{"a":{"b":[{}]}}',
        '{"_placeholder":1}',
    ),
)


def told(namespace: str, auth: str, handler: Any = None, **options: Any) -> tuple[str, list[Any]]:
    """Return the answer to a CONNECT and what the connect handler was given."""
    happenings = Happenings()

    def note(given: Any) -> Any:
        happenings.add(given)
        return None if handler is None else handler()

    with flask_app(**options) as (sockets, port):
        sockets.on("connect", namespace=namespace)(note)
        client = WebSocketClient(port)
        client.next_message()
        client.text(f"40{'' if namespace == '/' else namespace + ','}{auth}")
        answer = client.next_message()
        client.close()
    return answer, happenings.entries


@pytest.mark.parametrize("namespace", ["/", "/admin"])
@pytest.mark.parametrize("auth", VALUES, ids=lambda auth: str(auth[:20]))
def test_auth_reaches_the_handler(auth: str, namespace: str) -> None:
    if len(auth) > 100:  # JSON, but more digits than we read
        assert told(namespace, auth)[0].startswith("44")
        return
    answer, given = told(namespace, auth)
    assert answer.startswith("40")
    assert given == [json.loads(auth)]


@pytest.mark.parametrize("auth", NOTHING)
def test_auth_without_content_is_none(auth: str) -> None:
    answer, given = told("/", auth)
    assert (answer[:2], given) == ("40", [None])


@pytest.mark.parametrize(
    "auth",
    [
        '{"a":',
        "NaN",
        "nonsense",
        '{"a":1}{',
        "[" * 50_000 + "]" * 50_000,
        "[" + "[]," * MAX_CONTAINERS + "1]",
    ],
    ids=lambda auth: str(auth[:20]),
)
@pytest.mark.parametrize("namespace", ["/", "/admin"])
def test_auth_that_cannot_be_read_is_refused(auth: str, namespace: str) -> None:
    answer, given = told(namespace, auth)
    assert answer.startswith("44")
    assert answer.endswith('{"message":"The auth data cannot be read"}')
    assert given == []


def test_unreadable_auth_is_refused_by_polling() -> None:
    with flask_app() as (_, port):
        polls = Polls(port)
        sid = polls.open()
        assert polls.post(sid, "40{").body == "ok"
        assert polls.get(sid).body == '44{"message":"The auth data cannot be read"}'
        polls.post(sid, '40["again"]')
        assert polls.get(sid).body.startswith('40{"sid"')


def refuse(*args: Any) -> Any:
    def handler() -> None:
        raise Refused(*args)

    return handler


@pytest.mark.parametrize(
    ("handler", "says"),
    [
        (refuse(), {"message": "Connection rejected by server"}),
        (refuse("why"), {"message": "why"}),
        (refuse("why", {"code": 3}), {"message": "why", "data": {"code": 3}}),
        (refuse("why", 1, [2]), {"message": "why", "data": [1, [2]]}),
        (refuse("why", {1, 2}), {"message": "Internal server error"}),
        (refuse("why", float("nan")), {"message": "Internal server error"}),
        (lambda: False, {"message": "Connection rejected by server"}),
    ],
)
def test_refusal_says_why(handler: Any, says: Any) -> None:
    answer, _ = told("/", '"x"', handler)
    assert answer.startswith("44")
    assert json.loads(answer[2:]) == says


def test_connect_handler_without_arguments_is_called() -> None:
    happenings = Happenings()
    with flask_app() as (sockets, port):
        sockets.on("connect")(lambda: happenings.add("called"))
        for auth in ("", "[1]", "5"):
            client = WebSocketClient(port)
            client.next_message()
            client.text(f"40{auth}")
            assert client.next_message().startswith("40")
            client.close()
    assert happenings.entries == ["called"] * 3
