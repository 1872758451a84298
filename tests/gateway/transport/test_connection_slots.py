"""Which connection closes for a newcomer."""

from gateway.transport.http.connection_slots import CLOSING_MAX, ConnectionSlots, Slot, State


class Server:
    """Slots, and the names of the connections that were asked to close."""

    def __init__(self, max_connections: int | None) -> None:
        self.idle_calls = 0
        self.closed: list[str] = []
        self.slots = ConnectionSlots(max_connections, self._count)

    def _count(self) -> None:
        self.idle_calls += 1

    def enter(self, holder: str | None, name: str = "") -> Slot | None:
        return self.slots.enter(holder, lambda: self.closed.append(name or str(holder)))

    def fill(self, holder: str | None, *states: State) -> list[Slot]:
        entered = []
        for number, state in enumerate(states):
            slot = self.enter(holder, f"{holder}{number}")
            assert slot is not None
            slot.change(state)
            entered.append(slot)
        return entered


READING_HEAD, BUSY, IDLE = State.READING_HEAD, State.BUSY, State.IDLE


def test_free_slots_close_nothing() -> None:
    server = Server(3)
    server.fill("a", READING_HEAD, IDLE)
    assert server.enter("b") is not None
    assert server.closed == []


def test_incomplete_head_closes_first() -> None:
    server = Server(4)
    server.fill("a", BUSY, IDLE, READING_HEAD, READING_HEAD)
    assert server.enter("b") is not None
    assert server.closed == ["a2"]


def test_idle_closes_before_busy() -> None:
    server = Server(3)
    server.fill("a", BUSY, IDLE, IDLE)
    assert server.enter("b") is not None
    assert server.closed == ["a1"]


def test_newest_busy_closes() -> None:
    server = Server(3)
    server.fill("a", BUSY, BUSY, BUSY)
    assert server.enter("b") is not None
    assert server.closed == ["a2"]


def test_equal_addresses_keep_their_slots() -> None:
    server = Server(2)
    server.fill("a", BUSY)
    server.fill("b", BUSY)
    assert server.enter("c") is None
    assert server.enter("a") is None


def test_idle_closes_for_any_address() -> None:
    server = Server(2)
    server.fill("a", BUSY)
    [idle] = server.fill("b", IDLE)
    assert server.enter("a") is not None
    assert server.closed == ["b0"]
    server.slots.end(idle)
    assert server.idle_calls == 1


def test_exempt_connection_never_closes() -> None:
    server = Server(2)
    server.fill(None, READING_HEAD, BUSY)
    assert server.enter("a") is None
    assert server.closed == []


def test_exempt_newcomer_gets_slot() -> None:
    server = Server(2)
    server.fill("a", BUSY, BUSY)
    assert server.enter(None) is not None


def test_closing_counts_until_end() -> None:
    server = Server(CLOSING_MAX + 4)
    slots = server.fill("a", *[READING_HEAD] * (CLOSING_MAX + 4))
    for _ in range(CLOSING_MAX):
        assert server.enter(None) is not None
    assert len(set(server.closed)) == CLOSING_MAX
    assert server.enter(None) is None
    for slot in slots:
        slot.change(BUSY)  # a closing connection stays closing
        server.slots.end(slot)
    assert not server.slots.is_full
    assert server.slots.count("a") == 0


def test_unbounded() -> None:
    server = Server(None)
    server.fill("a", *[BUSY] * 100)
    assert not server.slots.is_full
