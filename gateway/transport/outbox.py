"""What the kernel has not taken yet of one connection: whole frames, in order."""

from collections import deque
from itertools import islice

# One gathered write takes at most this many chunks; more would not fill a send buffer faster.
MAX_CHUNKS_PER_WRITE = 64
# Beside its payload, a chunk costs a bytes object and a place in the deque (43 bytes measured).
CHUNK_BYTES = 48
# A chunk that was begun is a memoryview (355 bytes measured); only the first one can be.
BEGUN_BYTES = 320

Chunk = bytes | memoryview


class Outbox:
    """Bytes waiting to be written: ``size`` is their number, ``taken`` that of those that were."""

    __slots__ = ("_chunks", "_is_last_replaceable", "size", "taken")

    def __init__(self) -> None:
        self._chunks: deque[Chunk] = deque()
        self._is_last_replaceable = False
        self.size = self.taken = 0

    @property
    def cost(self) -> int:
        """The memory that all of it holds, in bytes."""
        return self.size + CHUNK_BYTES * len(self._chunks) + BEGUN_BYTES

    def push(self, data: Chunk) -> None:
        """Put ``data`` behind what is already waiting; shared bytes are not copied."""
        self._chunks.append(data)
        self.size += len(data)
        self._is_last_replaceable = False

    def push_ahead(self, data: bytes) -> None:
        """Put whole frames before what is not begun: the first chunk may be the rest of a frame."""
        self._is_last_replaceable = self._is_last_replaceable and len(self._chunks) > 1
        self._chunks.insert(1, data)
        self.size += len(data)

    def push_latest(self, data: bytes) -> None:
        """Put ``data`` behind what waits; it replaces the last chunk if this also put that one."""
        if self._is_last_replaceable:
            self.size -= len(self._chunks.pop())
        self.push(data)
        self._is_last_replaceable = True

    def peek(self) -> list[Chunk]:
        """Return what to write next."""
        return list(islice(self._chunks, MAX_CHUNKS_PER_WRITE))

    def advance(self, written: int) -> None:
        """Forget the first ``written`` bytes."""
        self.size -= written
        self.taken += written
        while written:
            first = self._chunks[0]
            if written < len(first):
                self._chunks[0] = memoryview(first)[written:]
                break
            written -= len(first)
            self._chunks.popleft()
        # What is begun has to be finished, and what is gone cannot be replaced.
        self._is_last_replaceable = self._is_last_replaceable and len(self._chunks) > 1
