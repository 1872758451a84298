"""What the text of a setting may say: one function a kind of value.

Each takes the text and returns the value, or raises ValueError whose text says what it must be.
"""

import re
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import TypeAlias

from shared.origins import PORT_MAX, ascii_name, read_origin
from shared.reading import is_device_id

Parse: TypeAlias = Callable[[str], object]

IPC_PATH_BYTES_MAX = 103
"""A UNIX socket's path on macOS, the shortest of the systems; Linux takes 107."""

_YES, _NO = ("yes", "true", "on", "1"), ("no", "false", "off", "0")
_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?"
_IPV6 = r"\[[0-9A-Fa-f:.]+\]"

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_TCP = re.compile(rf"tcp://(\*|{_IPV6}|{_HOST}):([0-9]{{1,5}})")
_LISTEN_HOST = re.compile(rf"{_HOST}|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(?:%[A-Za-z0-9._~-]{{1,64}})?")
_ENVIRONMENT_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_SOURCE = re.compile(r"[a-z][a-z0-9_]*(?::.+)?")

_ANY_ADDRESS = ("*", "0.0.0.0", "[::]")  # noqa: S104  # compared with, never bound


def integer(low: int, high: int) -> Parse:
    """Make a parser of whole numbers from ``low`` to ``high``."""

    def parse(text: str) -> int:
        if _INTEGER.fullmatch(text) is None or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return parse


def number(low: float, high: float) -> Parse:
    """Make a parser of numbers from ``low`` to ``high``, written with a point."""

    def parse(text: str) -> float:
        if _DECIMAL.fullmatch(text) is None or not low <= float(text) <= high:
            raise ValueError(f"must be a number from {low} to {high}, such as {low}")
        return float(text)

    return parse


def choice(*words: str, later: tuple[str, ...] = ()) -> Parse:
    """Make a parser of one word out of ``words``, in whatever case.

    Words in ``later`` are known, but what they ask for is not built yet.
    """
    known = {word.casefold(): word for word in words}

    def parse(text: str) -> str:
        word = text.casefold()
        if word in later:
            raise ValueError(f"is not in this version, which has {_either(words)}")
        if word not in known:
            raise ValueError(f"must be {_either(words)}")
        return known[word]

    return parse


def listed(parse_one: Parse) -> Parse:
    """Make a parser of values separated by commas, none of them twice."""

    def parse(text: str) -> tuple[object, ...]:
        values = [parse_one(part.strip()) for part in text.split(",") if part.strip()]
        if not values:
            raise ValueError("must name at least one; leave it out for none")
        if len(set(values)) < len(values):
            raise ValueError("must not name one thing twice")
        return tuple(values)

    return parse


def yes_or_no(text: str) -> bool:
    """Read a switch."""
    word = text.casefold()
    if word not in _YES + _NO:
        raise ValueError("must be yes or no")
    return word in _YES


def file_path(text: str) -> Path:
    """Read a path; a relative one is completed by whoever knows the directory."""
    if text.startswith("~"):
        raise ValueError("must be written out: ~ stands for no folder here")
    return Path(text)


def environment_name(text: str) -> str:
    """Read the name of a file in ``configs/``, without its ``.env``; no path can be smuggled in."""
    if _ENVIRONMENT_NAME.fullmatch(text) is None:
        raise ValueError("must be the name of a file in configs/ without its .env")
    return text


def device_id(text: str) -> str:
    """Read a device id."""
    if not is_device_id(text):
        raise ValueError(
            "must be a device id: at most 64 letters, digits, dots, underscores and hyphens,"
            " a letter or digit first"
        )
    return text


def device_pattern(text: str) -> str:
    """Read a device id, or the beginning of some with a ``*`` behind it."""
    if not is_device_id(text.removesuffix("*")):
        raise ValueError("must be device ids, or beginnings of ids with a * behind, such as bike-*")
    return text


def source(text: str) -> str:
    """Read ``<kind>`` or ``<kind>:<what>``; which kinds there are is known to the sources alone."""
    if _SOURCE.fullmatch(text) is None:
        raise ValueError("must be simulator or ride:<file>")
    return text


def bind_endpoint(text: str) -> str:
    """Read where a ZeroMQ socket listens: an address or interface of this machine."""
    _split_endpoint(text)
    return text


def connect_endpoint(text: str) -> str:
    """Read where a ZeroMQ socket connects to."""
    if _split_endpoint(text) in _ANY_ADDRESS:
        raise ValueError("must name the machine to connect to; this address is for binding only")
    return text


def origin(text: str) -> str:
    """Read a web origin and write it as browsers do."""
    if text == "*":
        raise ValueError(
            "must list origins: * would let every web page its users open read the bikes"
        )
    return read_origin(text)


def listen_host(text: str) -> str:
    """Read the address an HTTP server listens on."""
    if _LISTEN_HOST.fullmatch(text) is None:
        raise ValueError("must be an address of this machine; 0.0.0.0 stands for all of them")
    return text


def allowed_host(text: str) -> str:
    """Read a name under which browsers may ask for the gateway."""
    name = ascii_name(text)
    if re.fullmatch(_HOST, name) is None:
        raise ValueError("must be host names without scheme and port, such as bikes.example.org")
    return name


def network(text: str) -> str:
    """Read an IP address or a network of them."""
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        raise ValueError(
            "must be IP addresses or networks, such as 127.0.0.1 or 10.0.0.0/8"
        ) from None


def _split_endpoint(text: str) -> str:
    """Return the host of a TCP endpoint, "" for a UNIX socket."""
    if text.startswith("inproc://"):
        raise ValueError("must be tcp:// or ipc://: inproc:// does not leave its process")
    if text.startswith("ipc://"):
        return _check_ipc(text.removeprefix("ipc://"))
    match = _TCP.fullmatch(text)
    if match is None or not _is_port(match[2]):
        raise ValueError("must be tcp://host:port or ipc://path, such as tcp://127.0.0.1:5556")
    return match[1]


def _check_ipc(path: str) -> str:
    if not 0 < len(path.encode()) <= IPC_PATH_BYTES_MAX:
        raise ValueError(f"must have a path of 1 to {IPC_PATH_BYTES_MAX} bytes behind ipc://")
    return ""


def _is_port(digits: str) -> bool:
    return 1 <= int(digits) <= PORT_MAX


def _either(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else f"{words[0]} only"
