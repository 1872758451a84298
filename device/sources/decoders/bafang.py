"""Encodes and decodes what a Bafang controller answers to its display, at 1200 baud. Pure.

The display asks; nothing else is ever sent::

    11 20  ->  high low checksum   turns of the wheel in a minute: km/h = 0.06 * wheel in m * turns
    11 11  ->  percent checksum    state of charge

Models differ in the checksum. It is the sum of the bytes before it, with or without the second byte
of the request added.

How it works. An answer has no mark of its begin, so the decoder collects what arrives between two
requests. It is an answer only if it has exactly the right length. A checksum of one byte is weak,
and a wrong bit can turn one kind of checksum into the other. So an answer counts only if the
controller used the same kind for the same question just before: the first answer is never used.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from enum import Enum

from device.sample import Sample
from shared.reading import SPEED_RANGE_KMH, Value

READ = 0x11
CHARGE_EVERY = 10
"""One of so many requests asks for the charge, the others for the speed."""
CHARGE_AGE_MAX_S = 3.0
"""A charge that no reading took in this time is dropped."""
WINDOW_BYTES_MAX = 16
"""Longer than each answer; the rest of a flood is dropped."""
CHARGE_MAX_PCT = 100

WRONG_LENGTH = "answers of a wrong length"
WRONG_CHECKSUM = "answers with a wrong checksum"
OUT_OF_RANGE = "values out of range"


class Question(Enum):
    """The questions of a display; the value is the second byte of the request."""

    SPEED = 0x20
    CHARGE = 0x11

    @property
    def request(self) -> bytes:
        return bytes((READ, self.value))

    @property
    def answer_bytes(self) -> int:
        return 3 if self is Question.SPEED else 2


@dataclass(slots=True)
class BafangDecoder:
    """Asks for speed and charge, and decodes the answers."""

    wheel_m: float
    interval_s: float = 0.25
    """Request and answer take 42 ms; a controller may need 100 ms to answer."""
    samples: deque[Sample] = field(default_factory=deque)
    faults: Counter[str] = field(default_factory=Counter)
    _asked: int = 0
    _question: Question | None = None
    _window: bytes = b""
    _kinds: dict[Question, int] = field(default_factory=dict)
    _charge: tuple[int, float] | None = None  # in %, and when it was measured

    def request(self, now_s: float) -> bytes:
        """Decode the answer to the last request; return the bytes to send at ``now_s``."""
        if self._question is not None and self._window:
            self._judge(self._question, self._window, now_s)
        self._asked += 1
        is_charge = self._asked % CHARGE_EVERY == 1
        self._question = Question.CHARGE if is_charge else Question.SPEED
        self._window = b""
        return self._question.request

    def take(self, data: bytes, now_s: float) -> None:
        """Collect bytes that arrived at ``now_s``."""
        self._window = (self._window + data)[:WINDOW_BYTES_MAX]

    def reset(self) -> None:
        """Forget everything, because the link was cut."""
        self._question, self._window, self._charge = None, b"", None
        self._kinds.clear()

    def _judge(self, question: Question, answer: bytes, now_s: float) -> None:
        """Use an answer if its length, its checksum and the kind of its checksum are right."""
        before = self._kinds.pop(question, None)
        if len(answer) != question.answer_bytes:
            self.faults[WRONG_LENGTH] += 1
            return
        kind = (answer[-1] - sum(answer[:-1])) % 256
        if kind not in (0, question.value):
            self.faults[WRONG_CHECKSUM] += 1
            return
        self._kinds[question] = kind
        if kind == before:
            self._use(question, int.from_bytes(answer[:-1]), now_s)

    def _use(self, question: Question, value: int, now_s: float) -> None:
        speed_kmh = 0.06 * self.wheel_m * value
        if question is Question.CHARGE and value <= CHARGE_MAX_PCT:
            self._charge = value, now_s
        elif question is Question.SPEED and speed_kmh <= SPEED_RANGE_KMH[1]:
            self.samples.append(Sample(None, round(speed_kmh, 2), self._values(now_s)))
        else:
            self.faults[OUT_OF_RANGE] += 1

    def _values(self, now_s: float) -> dict[str, Value]:
        """Return the charge if it was measured just now; each measurement is used once."""
        charge, self._charge = self._charge, None
        if charge is None or now_s - charge[1] > CHARGE_AGE_MAX_S:
            return {}
        return {"battery_pct": charge[0]}


def encode_speed(wheel_m: float, speed_kmh: float, *, adds_request: bool = True) -> bytes:
    """Return the answer to ``11 20``."""
    turns = round(speed_kmh / 0.06 / wheel_m)
    return _with_checksum(turns.to_bytes(2), Question.SPEED, adds_request)


def encode_charge(percent: float, *, adds_request: bool = False) -> bytes:
    """Return the answer to ``11 11``."""
    return _with_checksum(bytes((round(percent),)), Question.CHARGE, adds_request)


def _with_checksum(data: bytes, question: Question, adds_request: bool) -> bytes:
    return data + bytes(((sum(data) + adds_request * question.value) % 256,))
