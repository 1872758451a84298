"""Sessions: which one ends for a newcomer."""

from dataclasses import dataclass

from gateway.transport.limits.session_limit import SessionLimit


@dataclass(eq=False)
class Client:
    sid: str
    holder: str | None
    is_joined: bool = True


def full(*clients: Client) -> tuple[SessionLimit[Client], list[str]]:
    ended: list[str] = []

    def end(session: Client) -> None:
        ended.append(session.sid)
        sessions.remove(session)

    sessions: SessionLimit[Client] = SessionLimit(len(clients), end)
    for client in clients:
        sessions.add(client)
    return sessions, ended


def test_room_for_all() -> None:
    kept, left = Client("1", "a"), Client("2", "a")
    sessions, ended = full(kept, left)
    sessions.remove(left)
    assert sessions.make_room_for("b")
    assert ended == []
    unbounded: SessionLimit[Client] = SessionLimit(None, ended.append)  # type: ignore[arg-type]  # unused
    assert unbounded.make_room_for("a")


def test_newest_of_the_largest_ends() -> None:
    sessions, ended = full(Client("1", "a"), Client("2", "a"), Client("3", "b"))
    assert sessions.has_room_for("c")
    assert ended == []
    assert sessions.make_room_for("c")
    assert ended == ["2"]


def test_session_without_connect_ends_first() -> None:
    clients = Client("1", "a"), Client("2", "a", is_joined=False), Client("3", "a")
    sessions, ended = full(*clients)
    assert sessions.make_room_for("b")
    assert ended == ["2"]


def test_no_room_among_equals() -> None:
    sessions, ended = full(Client("1", "a"), Client("2", "b"))
    assert not sessions.has_room_for("c")
    assert not sessions.make_room_for("c")
    assert not sessions.make_room_for("a")
    assert ended == []


def test_exempt_session_stays() -> None:
    sessions, ended = full(Client("1", None), Client("2", None))
    assert not sessions.make_room_for("a")
    assert ended == []
