"""The bytes of one connection that the kernel has not taken yet: whole frames, in order."""

from collections import deque
from itertools import islice

# One gathered write takes at most this many chunks; more would not fill a send buffer faster.
MAX_CHUNKS_PER_WRITE = 64
# In addition to its payload, a chunk costs a bytes object and a slot in the deque (measured: 43 B).
CHUNK_BYTES = 48
# A partly written chunk is a memoryview (355 bytes measured); only the first chunk can be one.
BEGUN_BYTES = 320

Chunk = bytes | memoryview


class Outbox:
    """Bytes that wait to be written: ``size`` of them, behind ``taken`` bytes that were written."""

    __slots__ = ("_chunks", "_is_last_replaceable", "size", "taken")

    def __init__(self) -> None:
        self._chunks: deque[Chunk] = deque()
        self._is_last_replaceable = False
        self.size = self.taken = 0

    @property
    def cost(self) -> int:
        """The memory that the outbox costs, in bytes."""
        return self.size + CHUNK_BYTES * len(self._chunks) + BEGUN_BYTES

    def push(self, data: Chunk) -> None:
        """Put ``data`` behind all other chunks; shared bytes are not copied."""
        self._chunks.append(data)
        self.size += len(data)
        self._is_last_replaceable = False

    def push_ahead(self, data: bytes) -> None:
        """Put whole frames behind the first chunk, which may be the rest of a frame."""
        self._is_last_replaceable = self._is_last_replaceable and len(self._chunks) > 1
        self._chunks.insert(1, data)
        self.size += len(data)

    def push_latest(self, data: bytes) -> None:
        """Put ``data`` behind all chunks; replace the last one if this method put it there."""
        if self._is_last_replaceable:
            self.size -= len(self._chunks.pop())
        self.push(data)
        self._is_last_replaceable = True

    def peek(self) -> list[Chunk]:
        """Return the chunks to write next."""
        return list(islice(self._chunks, MAX_CHUNKS_PER_WRITE))

    def advance(self, written: int) -> None:
        """Remove the first ``written`` bytes."""
        self.size -= written
        self.taken += written
        while written:
            first = self._chunks[0]
            if written < len(first):
                self._chunks[0] = memoryview(first)[written:]
                break
            written -= len(first)
            self._chunks.popleft()
        # A partly written chunk must be finished, and a written one cannot be replaced.
        self._is_last_replaceable = self._is_last_replaceable and len(self._chunks) > 1
