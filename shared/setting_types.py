"""Parsers for the texts of settings, one function for each kind of value.

A parser returns the value or raises ValueError. The text of the error completes the sentence
"The setting ...", for example "must be yes or no".
"""

import re
from collections.abc import Callable
from ipaddress import IPv6Address, ip_network
from pathlib import Path
from typing import TypeAlias

from shared.origins import PORT_MAX, ascii_name, read_origin
from shared.reading import is_device_id
from shared.url_prefix import read_prefix

Parse: TypeAlias = Callable[[str], object]

IPC_PATH_BYTES_MAX = 103
"""The longest path of a UNIX socket on macOS. Linux allows 107."""

_YES, _NO = ("yes", "true", "on", "1"), ("no", "false", "off", "0")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_HOST = rf"{_LABEL}(?:\.{_LABEL}){{0,31}}"
_IPV6 = r"\[[0-9A-Fa-f:.]+\]"

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_TCP = re.compile(rf"tcp://(\*|{_IPV6}|{_HOST}):([0-9]{{1,5}})")
_LISTEN_HOST = re.compile(rf"{_HOST}|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(?:%[A-Za-z0-9._~-]{{1,64}})?")
_ENVIRONMENT_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_TRANSPORT = re.compile(r"[a-z][a-z0-9-]*:.+")
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
    """Make a parser that accepts one of ``words`` in upper or lower case.

    The error for a word in ``later`` says that a later version will support it.
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
    """Make a parser for values separated by commas; it refuses duplicates."""

    def parse(text: str) -> tuple[object, ...]:
        values = [parse_one(part.strip()) for part in text.split(",") if part.strip()]
        if not values:
            raise ValueError("must name at least one; to name none, leave the setting out")
        if len(set(values)) < len(values):
            raise ValueError("must not contain a value twice")
        return tuple(values)

    return parse


def yes_or_no(text: str) -> bool:
    """Read yes or no."""
    word = text.casefold()
    if word not in _YES + _NO:
        raise ValueError("must be yes or no")
    return word in _YES


def file_path(text: str) -> Path:
    """Read a path. The caller completes a relative path with the project's folder."""
    if text.startswith("~"):
        raise ValueError("must be written in full: ~ is not expanded here")
    return Path(text)


def environment_name(text: str) -> str:
    """Read the name of a file in ``configs/``, without its ``.env``. A path is refused."""
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
    """Read a device id, or a prefix of ids followed by ``*``."""
    if not is_device_id(text.removesuffix("*")):
        raise ValueError("must be device ids, or prefixes of ids followed by a *, such as bike-*")
    return text


def source(text: str) -> str:
    """Read ``<kind>`` or ``<kind>:<argument>``. The package ``device.sources`` checks the kind."""
    if _SOURCE.fullmatch(text) is None:
        raise ValueError("must be a source such as simulator or ride:<file>")
    return text


def transport(text: str) -> str:
    """Read the name of a Bluetooth transport, such as ``usb:0``; the library checks the rest."""
    if _TRANSPORT.fullmatch(text) is None:
        raise ValueError("must be a Bluetooth transport such as usb:0 or tcp-client:localhost:6402")
    return text


def bind_endpoint(text: str) -> str:
    """Read the endpoint a ZeroMQ socket binds: an address or interface of this machine."""
    _split_endpoint(text)
    return text


def connect_endpoint(text: str) -> str:
    """Read the endpoint a ZeroMQ socket connects to."""
    if _split_endpoint(text) in _ANY_ADDRESS:
        raise ValueError("must name the machine to connect to; this address works for binding only")
    return text


def origin(text: str) -> str:
    """Read a web origin and return it as browsers write it."""
    if text == "*":
        raise ValueError(
            "must list origins: with *, every web page that a user opens could read the bikes"
        )
    return read_origin(text)


def listen_host(text: str) -> str:
    """Read the address an HTTP server listens on."""
    if _LISTEN_HOST.fullmatch(text) is None:
        raise ValueError("must be an address of this machine; 0.0.0.0 means all of them")
    return text


def allowed_host(text: str) -> str:
    """Read a host name under which browsers may reach the gateway."""
    name = ascii_name(text)
    if re.fullmatch(_HOST, name) is None:
        raise ValueError("must be host names without scheme and port, such as bikes.example.org")
    return name


def base_path(text: str) -> str:
    """Read the path below which browsers reach the gateway; ``/`` is the root."""
    return read_prefix(text)


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
        raise ValueError("must be tcp:// or ipc://: inproc:// works within one process only")
    if text.startswith("ipc://"):
        return _check_ipc(text.removeprefix("ipc://"))
    match = _TCP.fullmatch(text)
    if match is None or not _is_port(match[2]) or not _is_host(match[1]):
        raise ValueError("must be tcp://host:port or ipc://path, such as tcp://127.0.0.1:5556")
    return match[1]


def _check_ipc(path: str) -> str:
    if not 0 < len(path.encode()) <= IPC_PATH_BYTES_MAX:
        raise ValueError(f"must have a path of 1 to {IPC_PATH_BYTES_MAX} bytes after ipc://")
    return ""


def _is_host(text: str) -> bool:
    """Tell whether an address in brackets is one; ZeroMQ finds a wrong one when it connects."""
    try:
        return text[0] != "[" or bool(IPv6Address(text[1:-1]))
    except ValueError:
        return False


def _is_port(digits: str) -> bool:
    return 1 <= int(digits) <= PORT_MAX


def _either(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else f"{words[0]} only"
