"""Runs asyncio in a thread of its own, which hands its samples to the publisher."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeAlias

from loguru import logger

from device.sources.handover import HandoverSource
from shared.errors import SourceError

STOP_S = 5.0
"""How long a stop waits for the thread: a Bluetooth link needs a moment to say goodbye."""

Work: TypeAlias = Coroutine[Any, Any, None]


def run_beside(source: HandoverSource, name: str, work: Callable[[], Work]) -> None:
    """Run ``work()`` in a thread until it ends or the source is closed.

    A :class:`SourceError` that it raises stops the device with that error.
    """
    loop = asyncio.new_event_loop()
    task = loop.create_task(_guarded(source, name, work))
    thread = threading.Thread(target=_run, args=(loop, task), name=name, daemon=True)

    def stop() -> None:
        with suppress(RuntimeError):  # the loop is closed: the work has ended
            loop.call_soon_threadsafe(task.cancel)
        thread.join(STOP_S)

    source.on_close = stop
    thread.start()


def _run(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
    with asyncio.Runner(loop_factory=lambda: loop) as runner, suppress(asyncio.CancelledError):
        runner.run(_wait_for(task))


async def _wait_for(task: asyncio.Task[None]) -> None:
    await task


async def _guarded(source: HandoverSource, name: str, work: Callable[[], Work]) -> None:
    try:
        await work()
    except SourceError as error:
        source.fail(str(error))
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling() == 0:  # nobody stopped it
            source.fail(f"the source {name} was cancelled by a library")
        raise
    except Exception:
        logger.exception("source_failed", source=name)
        source.fail(f"the source {name} stopped because of a fault in the program")
