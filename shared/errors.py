"""All errors that Spoke raises on purpose, and their translation into answers for clients.

::

    SpokeError
    ├── SettingsError         the configuration is wrong; the process exits 2
    ├── SourceError           a source of readings cannot be used; the process exits 2
    ├── JournalError          the journal cannot be used; the process exits 2
    ├── ReaderGone            nobody reads the standard output; the process exits without a message
    ├── OutputLost            the standard output cannot be written; the process exits 2
    ├── BadMessage            a message from the network is invalid; it is counted and dropped
    └── RequestError          a request of a browser or an HTTP client fails
        ├── BadRequest            bad_request        400
        │   ├── BadCursor         bad_cursor         400
        │   └── TooManyDevices    too_many_devices   400
        ├── Unauthorized          unauthorized       401
        ├── Forbidden             forbidden          403
        ├── NotFound              not_found          404
        │   └── UnknownDevice     unknown_device     404
        ├── RateLimited           rate_limited       429
        └── Unavailable           unavailable        503
"""

from typing import ClassVar, TypedDict

from shared.cursor import Cursor

INTERNAL_MESSAGE = "internal error; the gateway's log has the details"


class ErrorBody(TypedDict):
    """The description of an error for clients, over Socket.IO and HTTP."""

    code: str
    message: str


class SpokeError(Exception):
    """Base of all errors raised on purpose. ``code`` is for programs, the text for people."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500


class SettingsError(SpokeError):
    """At least one setting is wrong. The text names each one and how to correct it."""


class SourceError(SpokeError):
    """A source of readings is missing, damaged or not usable."""


class JournalError(SpokeError):
    """The journal cannot be opened or is held by another process."""


class ReaderGone(SpokeError):
    """Nobody reads the standard output any more."""


class OutputLost(SpokeError):
    """The standard output cannot be written. The text gives the reason."""


class BadMessage(SpokeError):
    """A message from the network is invalid and must be dropped.

    ``reason`` comes from a fixed list and names the counter. ``position`` is set if only the
    ``speed_kmh`` or the ``ts_ms`` of a reading is wrong: the reading arrived, so its number is not
    missing. ``device_id`` is the id in the topic, if the topic has one.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        device_id: str | None = None,
        position: Cursor | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.device_id = device_id
        self.position = position


class RequestError(SpokeError):
    """A request failed. The client gets the code and the text."""

    code = "bad_request"
    status = 400


class BadRequest(RequestError):
    """The request is wrong. The text explains how to correct it."""


class BadCursor(BadRequest):
    """A cursor does not have the form ``<epoch>-<seq>``."""

    code = "bad_cursor"


class TooManyDevices(BadRequest):
    """A client subscribes to more devices by name than allowed."""

    code = "too_many_devices"


class Unauthorized(RequestError):
    """The client has not authenticated."""

    code = "unauthorized"
    status = 401


class Forbidden(RequestError):
    """The client is not allowed to do this."""

    code = "forbidden"
    status = 403


class NotFound(RequestError):
    """The address does not exist."""

    code = "not_found"
    status = 404


class UnknownDevice(NotFound):
    """The gateway has not heard from a device with this id."""

    code = "unknown_device"


class RateLimited(RequestError):
    """A client sends more requests than allowed."""

    code = "rate_limited"
    status = 429


class Unavailable(RequestError):
    """The gateway is full or stopping. The client should retry later."""

    code = "unavailable"
    status = 503


def describe(error: BaseException) -> tuple[ErrorBody, int]:
    """Translate an error into the body and the HTTP status for the client.

    A client sees the text of a :class:`RequestError`. All other errors get one generic text.
    """
    if isinstance(error, RequestError):
        return {"code": error.code, "message": str(error)}, error.status
    return {"code": "internal", "message": INTERNAL_MESSAGE}, 500
