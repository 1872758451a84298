"""A replay service that is slow or lies: a proxy before the device's own."""

import json
import random
import threading
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import TypeAlias

import zmq

from shared.contexts import open_context
from shared.wire import REPLAY_LIMIT_MAX
from tests.timing import scaled_s

Frames: TypeAlias = list[bytes]
Change: TypeAlias = Callable[[Frames], Sequence[Frames]]
"""From an answer, without its envelope, to the answers that are sent instead."""
TURN_MS = 20


def truth(answer: Frames) -> Sequence[Frames]:
    """Pass on what the device said."""
    return [answer]


def silence(answer: Frames) -> Sequence[Frames]:
    """Say nothing."""
    return []


class ReplayProxy:
    """Answers on ``port`` what the replay at ``device`` says, changed and late."""

    def __init__(self, port: int, device: int) -> None:
        self.port = port
        self.change: Change = truth
        self.widens = False
        """Whether it asks for more than it was asked."""
        self.delay_s = 0.0
        self.answers = 0
        self._late: deque[tuple[float, Frames]] = deque()
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(device,), name=f"replay-{port}")
        self._thread.start()

    def close(self) -> None:
        """Stop, with nothing left open."""
        self._is_closed.set()
        self._thread.join(scaled_s(5))
        assert not self._thread.is_alive()

    def _run(self, device: int) -> None:
        with (
            open_context() as context,
            context.socket(zmq.ROUTER) as front,
            context.socket(zmq.DEALER) as back,
        ):
            front.linger = back.linger = 0
            front.bind(f"tcp://127.0.0.1:{self.port}")
            back.connect(f"tcp://127.0.0.1:{device}")
            poller = zmq.Poller()
            poller.register(front, zmq.POLLIN)
            poller.register(back, zmq.POLLIN)
            while not self._is_closed.is_set():
                self._turn(front, back, dict(poller.poll(TURN_MS)))

    def _turn(
        self,
        front: "zmq.Socket[bytes]",
        back: "zmq.Socket[bytes]",
        ready: dict["zmq.Socket[bytes]", int],
    ) -> None:
        if front in ready:
            *envelope, question = front.recv_multipart()
            back.send_multipart([*envelope, wide(question) if self.widens else question])
        if back in ready:
            asker, *answer = back.recv_multipart()
            for changed in self.change(answer):
                self._late.append((monotonic() + self.delay_s, [asker, *changed]))
        while self._late and self._late[0][0] <= monotonic():
            front.send_multipart(self._late.popleft()[1])
            self.answers += 1


def wide(question: bytes) -> bytes:
    """Ask for all that an answer can hold."""
    return json.dumps(json.loads(question) | {"limit": REPLAY_LIMIT_MAX}).encode()


def faster(answer: Frames) -> Sequence[Frames]:
    """Be the replay of another device of the same name: say other speeds."""
    header, *readings = answer
    other = [json.dumps(json.loads(reading) | {"speed_kmh": 99.9}).encode() for reading in readings]
    return [[header, *other]]


class Liar:
    """Tells the truth half of the time, and else one of many lies, drawn with a seed."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self.told: set[str] = set()

    def __call__(self, answer: Frames) -> Sequence[Frames]:
        """Return the answers to send instead."""
        if self._draw.random() < 0.5:
            return [answer]
        lie = self._draw.choice(LIES)
        self.told.add(lie.__name__)
        return lie(answer)


def twice(answer: Frames) -> Sequence[Frames]:
    """Answer once too often."""
    return [answer, answer]


def backwards(answer: Frames) -> Sequence[Frames]:
    """Answer in the wrong order; one reading is in order whatever one does."""
    header, *readings = answer
    return [[header, *reversed(readings)]] if len(readings) > 1 else []


def other_device(answer: Frames) -> Sequence[Frames]:
    """Answer for somebody else."""
    return [[frame.replace(b'"ebike-00', b'"ebike-09') for frame in answer]]


def other_question(answer: Frames) -> Sequence[Frames]:
    """Answer what nobody asked."""
    header, *readings = answer
    return [[header.replace(b'"id":"', b'"id":"x'), *readings]]


def miscounted(answer: Frames) -> Sequence[Frames]:
    """Leave out a reading that the header counts."""
    return [answer[:-1]] if len(answer) > 1 else []


def garbage(answer: Frames) -> Sequence[Frames]:
    """Answer nothing that could be read."""
    return [[b"\xff{"], [b"[]"], [b"{}", b"", b"\x00" * 100]]


LIES = (twice, backwards, other_device, other_question, miscounted, garbage, silence)
