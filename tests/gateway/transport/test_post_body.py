"""Bodies of POSTs: whole, refused, and bounded together."""

from io import BytesIO

import gevent
import pytest

from gateway.transport.engineio.handshake import Refusal
from gateway.transport.http.http_body import BodyCutShort
from gateway.transport.polling.post_body import PIECE_BYTES, BodyReader


class Source:
    """A body that waits, or breaks off, after its bytes."""

    def __init__(self, data: bytes, *, breaks: bool = False) -> None:
        self._data = BytesIO(data)
        self._breaks = breaks

    def read(self, size: int) -> bytes:
        data = self._data.read(size)
        if len(data) == size:
            return data
        if self._breaks:
            raise BodyCutShort
        gevent.sleep(10)
        raise AssertionError("nobody may wait so long")


def post(source: object, length: int | None) -> dict[str, object]:
    return {
        "wsgi.input": source,
        **({} if length is None else {"CONTENT_LENGTH": str(length)}),
    }


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES, PIECE_BYTES + 1])
@pytest.mark.parametrize("is_told", [True, False])
def test_whole(size: int, *, is_told: bool) -> None:
    body = b"x" * size
    environ = post(BytesIO(body + b"behind" * is_told), size if is_told else None)
    assert BodyReader(100_000).read(environ, 1) == body


@pytest.mark.parametrize(
    ("source", "length", "status"),
    [
        (BytesIO(b"x" * 11), None, "413"),
        (BytesIO(b""), 11, "413"),
        (BytesIO(b""), 5, "400"),
        (Source(b"abc", breaks=True), 5, "400"),
        (Source(b"abc"), 5, "408"),
    ],
    ids=["too long", "announced too long", "ended", "broken off", "too slow"],
)
def test_refused(source: object, length: int | None, status: str) -> None:
    with pytest.raises(Refusal) as refused:
        BodyReader(10).read(post(source, length), 0.05)
    assert refused.value.status.startswith(status)


def test_all_together_are_bounded() -> None:
    reader = BodyReader(100_000, all_bytes_max=50_000)
    waiting = Source(b"x" * 45_000)
    first = gevent.spawn(reader.read, post(waiting, 60_000), 0.2)
    gevent.sleep(0)
    with pytest.raises(Refusal) as refused:
        reader.read(post(BytesIO(b"x" * 20_000), 20_000), 1)
    assert refused.value.status.startswith("503")
    first.join()
    assert len(reader.read(post(BytesIO(b"x" * 45_000), 45_000), 1)) == 45_000
