"""The outbox gives back exactly what was put in, however it is taken out."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.transport.websocket.outbox import MAX_CHUNKS_PER_WRITE, Outbox


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=50), max_size=100), st.randoms())
def test_bytes_in_order_in_any_pieces(chunks: list[bytes], random: object) -> None:
    box, taken = Outbox(), b""
    for chunk in chunks:
        box.push(chunk)
    while box.size:
        offered = b"".join(box.peek())
        count = random.randint(1, len(offered))  # type: ignore[attr-defined]  # hypothesis gives a Random
        taken += offered[:count]
        box.advance(count)
    assert taken == b"".join(chunks)
    assert box.peek() == []


def test_push_ahead_behind_begun_chunk() -> None:
    box = Outbox()
    for chunk in (b"begun", b"next"):
        box.push(chunk)
    box.advance(2)
    box.push_ahead(b"ahead")
    assert b"".join(box.peek()) == b"gunaheadnext"
    assert box.size == len(b"gunaheadnext")


def test_peek_is_bounded() -> None:
    box = Outbox()
    for _ in range(1000):
        box.push(b"x")
    assert len(box.peek()) == MAX_CHUNKS_PER_WRITE
    assert box.size == 1000


def test_shared_bytes_are_not_copied() -> None:
    box, shared = Outbox(), b"x" * 1000
    box.push(shared)
    box.advance(10)
    (begun,) = box.peek()
    assert isinstance(begun, memoryview)
    assert begun.obj is shared
