"""The loop of a recording: reads the sockets as a gateway does, and writes lines."""

import selectors
import time
from collections.abc import Callable
from functools import partial
from secrets import token_hex

from loguru import logger

from device.record.file import RecordingFile
from device.record.recorder import Recorder
from gateway.domain import Now
from gateway.upstream.replay_client import ReplayClient
from gateway.upstream.replay_routes import ReplayRoutes
from gateway.upstream.sockets import link_settings
from gateway.upstream.subscriber import Subscriber
from shared.settings import Settings

TURN_S = 0.05
"""Timeouts and the wish to stop are looked at this often."""
ID_BYTES = 16
REPAIRS_MAX_S = 1.0
"""How long the end waits for readings that a replay may still have."""


class Listening:
    """The open sockets and the recorder that reads them."""

    def __init__(self, settings: Settings, only: tuple[str, ...]) -> None:
        self._selector = selectors.DefaultSelector()
        self._is_awake = False
        takes_offers = settings.replay_bind is not None
        routes = ReplayRoutes(
            settings.replay_connect, settings.max_devices, takes_offers=takes_offers
        )
        replay = ReplayClient(routes, partial(token_hex, ID_BYTES), settings.max_devices)
        repair_s = settings.repair_ms / 1000
        self.recorder = Recorder(replay, settings.max_devices, repair_s, only)
        self._subscriber = Subscriber(
            link_settings(settings), self._watch, self._wake, logger.warning
        )

    def run(self, file: RecordingFile, is_stopping: Callable[[], bool]) -> None:
        """Record until ``is_stopping``. Raises SettingsError or SourceError."""
        try:
            self._subscriber.start()
            logger.info("recording")
            while not is_stopping():
                self._turn(file)
            until_s = time.monotonic() + REPAIRS_MAX_S
            while self.recorder.is_repairing(_now()) and time.monotonic() < until_s:
                self._turn(file)
            file.write(self.recorder.finish(_now()))
            file.sync()
        finally:
            self._subscriber.stop()
            self._selector.close()

    def _turn(self, file: RecordingFile) -> None:
        """Wait for messages, take them in, and write the lines that they lead to."""
        timeout_s, self._is_awake = 0.0 if self._is_awake else TURN_S, False
        for key, _ in self._selector.select(timeout_s):
            key.data()
        now, recorder = _now(), self.recorder
        lines = [recorder.receive(message, now) for message in self._subscriber.take()]
        file.write(b"".join([*lines, recorder.tick(now)]))
        if recorder.requests:
            asked, recorder.requests = recorder.requests, []
            self._subscriber.send(asked)

    def _watch(self, descriptor: int, on_readable: Callable[[], None]) -> Callable[[], None]:
        self._selector.register(descriptor, selectors.EVENT_READ, on_readable)
        return lambda: _forget(self._selector, descriptor)

    def _wake(self) -> None:
        self._is_awake = True


def _forget(selector: selectors.BaseSelector, descriptor: int) -> None:
    selector.unregister(descriptor)


def _now() -> Now:
    return Now(time.monotonic(), time.time_ns() // 1_000_000)
