"""The events that a library's callbacks report, as an asynchronous iterator."""

import asyncio
from collections import deque
from typing import Any, Generic, TypeVar

Event = TypeVar("Event")
QUEUE_MAX = 1_000
"""The reader only computes, so no more than a few wait. Beyond it, the oldest is dropped."""


class Events(Generic[Event]):
    """Yields the events that were put in, until :meth:`end` is called or ``lost`` is done."""

    def __init__(self, lost: asyncio.Future[None] | None = None) -> None:
        self._waiting: deque[Event] = deque(maxlen=QUEUE_MAX)
        self._changed = asyncio.Event()
        self._is_over = False
        if lost is not None:
            lost.add_done_callback(self.end)

    def put(self, event: Event) -> None:
        self._waiting.append(event)
        self._changed.set()

    def end(self, *_: Any) -> None:  # noqa: ANN401  # a callback of anything that may end
        """Let the iteration end after the events that were put in."""
        self._is_over = True
        self._changed.set()

    def __aiter__(self) -> "Events[Event]":
        return self

    async def __anext__(self) -> Event:
        while not self._waiting:
            if self._is_over:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._waiting.popleft()
