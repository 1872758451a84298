"""What the kernel has not taken yet of one connection: whole frames, in order."""

from collections import deque
from itertools import islice

# One gathered write takes at most this many chunks; more would not fill a send buffer faster.
MAX_CHUNKS_PER_WRITE = 64


class Outbox:
    """Bytes waiting to be written: ``size`` is their number, ``taken`` that of those that were."""

    __slots__ = ("_chunks", "size", "taken")

    def __init__(self) -> None:
        self._chunks: deque[memoryview] = deque()
        self.size = self.taken = 0

    def push(self, data: bytes | memoryview) -> None:
        """Put ``data`` behind what is already waiting; shared bytes are not copied."""
        self._chunks.append(memoryview(data))
        self.size += len(data)

    def push_ahead(self, data: bytes) -> None:
        """Put whole frames before what is not begun: the first chunk may be the rest of a frame."""
        self._chunks.insert(1, memoryview(data))
        self.size += len(data)

    def peek(self) -> list[memoryview]:
        """Return what to write next."""
        return list(islice(self._chunks, MAX_CHUNKS_PER_WRITE))

    def advance(self, written: int) -> None:
        """Forget the first ``written`` bytes."""
        self.size -= written
        self.taken += written
        while written:
            first = self._chunks[0]
            if written < len(first):
                self._chunks[0] = first[written:]
                return
            written -= len(first)
            self._chunks.popleft()

    def clear(self) -> None:
        """Forget everything."""
        self._chunks.clear()
        self.size = 0
