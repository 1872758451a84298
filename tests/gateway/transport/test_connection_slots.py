"""Places: which connection gives way to a newcomer."""

from gateway.transport.connection_slots import LEAVING_MAX, Place, Places, State


class Server:
    """A full or empty house of places, and the names of those that were asked to leave."""

    def __init__(self, at_most: int | None) -> None:
        self.rested = 0
        self.left: list[str] = []
        self.places = Places(at_most, self._count)

    def _count(self) -> None:
        self.rested += 1

    def enter(self, holder: str | None, name: str = "") -> Place | None:
        return self.places.enter(holder, lambda: self.left.append(name or str(holder)))

    def fill(self, holder: str | None, *states: State) -> list[Place]:
        entered = []
        for number, state in enumerate(states):
            place = self.enter(holder, f"{holder}{number}")
            assert place is not None
            place.change(state)
            entered.append(place)
        return entered


HEAD, BUSY, RESTING = State.HEAD, State.BUSY, State.RESTING


def test_nobody_leaves_while_there_is_room() -> None:
    server = Server(3)
    server.fill("a", HEAD, RESTING)
    assert server.enter("b") is not None
    assert server.left == []


def test_unfinished_head_goes_first() -> None:
    server = Server(4)
    server.fill("a", BUSY, RESTING, HEAD, HEAD)
    assert server.enter("b") is not None
    assert server.left == ["a2"]


def test_resting_goes_before_busy() -> None:
    server = Server(3)
    server.fill("a", BUSY, RESTING, RESTING)
    assert server.enter("b") is not None
    assert server.left == ["a1"]


def test_newest_of_the_busy_goes() -> None:
    server = Server(3)
    server.fill("a", BUSY, BUSY, BUSY)
    assert server.enter("b") is not None
    assert server.left == ["a2"]


def test_equals_do_not_push_each_other_out() -> None:
    server = Server(2)
    server.fill("a", BUSY)
    server.fill("b", BUSY)
    assert server.enter("c") is None
    assert server.enter("a") is None


def test_resting_gives_way_to_anybody() -> None:
    server = Server(2)
    server.fill("a", BUSY)
    [resting] = server.fill("b", RESTING)
    assert server.enter("a") is not None
    assert server.left == ["b0"]
    server.places.end(resting)
    assert server.rested == 1


def test_exempt_holder_never_leaves() -> None:
    server = Server(2)
    server.fill(None, HEAD, BUSY)
    assert server.enter("a") is None
    assert server.left == []


def test_exempt_newcomer_is_let_in() -> None:
    server = Server(2)
    server.fill("a", BUSY, BUSY)
    assert server.enter(None) is not None


def test_asked_once_and_counted_until_it_ends() -> None:
    server = Server(LEAVING_MAX + 4)
    places = server.fill("a", *[HEAD] * (LEAVING_MAX + 4))
    for _ in range(LEAVING_MAX):
        assert server.enter(None) is not None
    assert len(set(server.left)) == LEAVING_MAX
    assert server.enter(None) is None
    for place in places:
        place.change(BUSY)  # what it does while it leaves changes nothing
        server.places.end(place)
    assert not server.places.is_full
    assert server.places.held("a") == 0


def test_unbounded() -> None:
    server = Server(None)
    server.fill("a", *[BUSY] * 100)
    assert not server.places.is_full
