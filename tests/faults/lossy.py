"""A ZeroMQ proxy that loses, repeats and swaps what goes through it, with a seed of its own."""

import random
import threading
from dataclasses import dataclass
from typing import TypeAlias

import zmq

from shared.contexts import open_context
from tests.timing import scaled_s

Message: TypeAlias = list[bytes]
TURN_MS = 20


@dataclass(frozen=True, slots=True)
class Harm:
    """Which part of the messages is lost, comes twice, or changes places with the next."""

    lost: float = 0.0
    repeated: float = 0.0
    swapped: float = 0.0


class LossyLink:
    """Stands between publishers and a gateway: connect the gateway to ``port``.

    With ``outward`` it is the other way round: publishers connect to ``port``, and the link
    connects to the gateway, whose port is ``publisher``.
    """

    def __init__(
        self, port: int, publisher: int, harm: Harm, seed: int, *, outward: bool = False
    ) -> None:
        self.port = port
        self._outward = outward
        self.done = dict.fromkeys(("lost", "repeated", "swapped"), 0)
        self.harm = harm
        """May be changed at any time."""
        self._draw = random.Random(seed)
        self._held: Message | None = None
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(publisher,), name=f"lossy-{port}")
        self._thread.start()

    def close(self) -> None:
        """Stop, with nothing left open."""
        self._is_closed.set()
        self._thread.join(scaled_s(5))
        assert not self._thread.is_alive()

    def _run(self, publisher: int) -> None:
        with (
            open_context() as context,
            context.socket(zmq.SUB) as heard,
            context.socket(zmq.PUB) as said,
        ):
            for end in (heard, said):
                end.linger, end.sndhwm, end.rcvhwm = 0, 0, 0
            heard.subscribe(b"")
            here, there = f"tcp://127.0.0.1:{self.port}", f"tcp://127.0.0.1:{publisher}"
            if self._outward:
                heard.bind(here)
                said.connect(there)
            else:
                heard.connect(there)
                said.bind(here)
            while not self._is_closed.is_set():
                if heard.poll(TURN_MS):
                    for message in self._harmed(heard.recv_multipart()):
                        said.send_multipart(message)

    def _harmed(self, message: Message) -> list[Message]:
        """Return what is passed on now."""
        harm, fate = self.harm, self._draw.random()
        if self._held is not None:
            first, self._held = self._held, None
            return [message, first]
        if fate < harm.lost:
            self.done["lost"] += 1
            return []
        if fate < harm.lost + harm.repeated:
            self.done["repeated"] += 1
            return [message, message]
        if fate < harm.lost + harm.repeated + harm.swapped:
            self.done["swapped"] += 1
            self._held = message
            return []
        return [message]
