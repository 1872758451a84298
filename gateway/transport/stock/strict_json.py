"""JSON as browsers read it, without NaN and Infinity, and the packet class that uses it."""

import gc
import json
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from socketio import packet

MAX_INTEGER_DIGITS = 100
# A packet may hold this many lists and objects, counted by their brackets: twice as many as the
# largest packet that was seen. 500 kB of brackets would take 10 times as long to parse, and 22 MB.
MAX_CONTAINERS = 50_000
# A text up to this length is parsed at once; 64 of them cost at most 3 MB of memory.
SHORT_CHARS = 1_000

COMPACT = (",", ":")

T = TypeVar("T")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _short_int(digits: str) -> int:
    if len(digits) > MAX_INTEGER_DIGITS:
        raise ValueError("integer too long")
    return int(digits)


READING: dict[str, Any] = {"parse_constant": _no_constant, "parse_int": _short_int}
"""Options of ``json.JSONDecoder``."""

# Made once: with options, json.dumps and json.loads make a new one for each call.
_ENCODER = json.JSONEncoder(allow_nan=False, separators=COMPACT)
_DECODER = json.JSONDecoder(**READING)


def check_containers(text: str) -> None:
    """Raise ValueError for a text that holds too many lists and objects."""
    if len(text) > SHORT_CHARS and text.count("[") + text.count("{") > MAX_CONTAINERS:
        raise ValueError("too many lists and objects")


def without_gc(call: Callable[[], T]) -> T:
    """Call without garbage collection: decoded data has no cycles, and collecting takes longer."""
    if not gc.isenabled():
        return call()
    gc.disable()
    try:
        return call()
    finally:
        gc.enable()


def read(decoder: json.JSONDecoder, text: str) -> Any:
    """Parse JSON. Raises ValueError for too many lists and objects."""
    if len(text) <= SHORT_CHARS:
        return decoder.decode(text)
    check_containers(text)
    return without_gc(partial(decoder.decode, text))


class StrictJSON:
    """A JSON module as browsers read it: Python's own would write and read NaN and Infinity.

    Both functions take the arguments of the ``json`` module: a message queue calls them as well.
    """

    @staticmethod
    def dumps(value: object, *args: Any, **options: Any) -> str:
        """Return JSON. Raises ValueError for a number that JSON cannot express."""
        if not args and options == {"separators": COMPACT}:
            return _ENCODER.encode(value)
        return json.dumps(value, *args, **{"allow_nan": False, **options})

    @staticmethod
    def loads(text: str | bytes | bytearray, *args: Any, **options: Any) -> Any:
        """Return the value. Raises ValueError, also for NaN and for endless integers."""
        if isinstance(text, str) and not args and not options:
            return read(_DECODER, text)
        return json.loads(text, *args, **{**READING, **options})


class StrictPacket(packet.Packet):  # type: ignore[misc]  # socketio has no types
    """The stock packet with strict JSON, without touching the process-wide setting."""

    json = StrictJSON
