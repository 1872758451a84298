"""Checks requests for a session or a WebSocket, and refuses those that the protocol forbids."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from wsproto.utilities import generate_accept_token

PROTOCOL_VERSION = "4"
WEBSOCKET_VERSION = "13"
# RFC 6455, 4.2.1: the key is 16 random bytes in base64.
KEY_BYTES = 16
# A client's query has a handful of fields; a query with more comes from no Socket.IO client.
MAX_QUERY_FIELDS = 100

INVALID_UPGRADE = (
    "Invalid websocket upgrade: the request needs Connection: Upgrade and Upgrade: websocket, which"
    " a proxy has to pass on"
)
INVALID_VERSION = f"Invalid websocket version: send Sec-WebSocket-Version: {WEBSOCKET_VERSION}"
INVALID_KEY = "Invalid websocket key: send 16 random bytes in base64"

Environ = Mapping[str, Any]
Headers = list[tuple[str, str]]


class Refusal(Exception):
    """A request that is answered with ``status`` and a sentence.

    The log has one line a minute of each ``kind``, which is by default the start of ``message``.
    """

    def __init__(
        self, status: str, message: str, headers: Headers | None = None, kind: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind or " ".join(message.split()[:2])
        self.headers = headers or []


def bad_request(message: str, kind: str | None = None) -> Refusal:
    """Return the refusal that the protocol documents ask for: 400."""
    return Refusal("400 BAD REQUEST", message, kind=kind)


@dataclass(frozen=True, slots=True)
class Request:
    """A request to the Engine.IO endpoint whose query was checked."""

    method: str
    transport: str
    sid: str | None
    stamp: str
    """The field ``t``, which stock clients change with each request, against caches."""


def parse_request(environ: Environ, transports: list[str]) -> Request:
    """Check method and mandatory query parameters (Engine.IO v4, "Query parameters")."""
    query = _query(environ)
    if query.get("EIO") != PROTOCOL_VERSION:
        raise bad_request(
            "this server speaks Engine.IO 4: use a Socket.IO client of version 3 or newer"
        )
    if "j" in query:  # scripts carry no Origin: any page could read the session's data by it
        raise bad_request("JSONP is not served: use a Socket.IO client that polls by XHR or fetch")
    transport = query.get("transport", "")
    if transport not in transports:
        raise bad_request(f"Invalid transport: the query needs one of {', '.join(transports)}")
    method = environ["REQUEST_METHOD"]
    if method not in ("GET", "POST") or (method == "POST" and transport != "polling"):
        raise bad_request("Invalid method: use GET, or POST to send packets of a polling session")
    if method == "POST" and "sid" not in query:
        raise bad_request("Invalid session None: open a session with GET, and POST with its sid")
    return Request(method, transport, query.get("sid"), query.get("t", ""))


def _query(environ: Environ) -> dict[str, str]:
    try:
        fields = parse_qs(environ.get("QUERY_STRING", ""), max_num_fields=MAX_QUERY_FIELDS)
    except ValueError as error:
        raise bad_request(f"Invalid query: it may have {MAX_QUERY_FIELDS} fields") from error
    return {name: values[0] for name, values in fields.items()}


def accept_websocket(environ: Environ) -> bytes:
    """Return the bytes of the 101 answer, or refuse (RFC 6455, 4.2.1 and 4.2.2).

    No extension is accepted: permessage-deflate would cost 300 kB a client, and a few bytes on
    the wire could become many in memory.
    """
    _check_upgrade(environ)
    token = generate_accept_token(_key(environ).encode())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + token + b"\r\n\r\n"
    )


def _check_upgrade(environ: Environ) -> None:
    connection = [part.strip().lower() for part in environ.get("HTTP_CONNECTION", "").split(",")]
    wanted = environ.get("HTTP_UPGRADE", "").strip().lower()
    if "upgrade" not in connection or wanted != "websocket":
        raise bad_request(INVALID_UPGRADE)
    if environ.get("HTTP_SEC_WEBSOCKET_VERSION", "").strip() != WEBSOCKET_VERSION:
        version = [("Sec-WebSocket-Version", WEBSOCKET_VERSION)]
        raise Refusal("426 UPGRADE REQUIRED", INVALID_VERSION, version)


def _key(environ: Environ) -> str:
    key = str(environ.get("HTTP_SEC_WEBSOCKET_KEY", "")).strip()
    try:
        decoded = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError) as error:
        raise bad_request(INVALID_KEY) from error
    if len(decoded) != KEY_BYTES:
        raise bad_request(INVALID_KEY)
    return key
