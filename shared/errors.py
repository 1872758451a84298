"""Every error Spoke raises on purpose, and the one translation from an error to an answer.

::

    SpokeError
    ├── SettingsError         the configuration is wrong; the process exits 2
    ├── SourceError           a source of readings cannot be used; the process exits 2
    ├── JournalError          the journal cannot be used; the process exits 2
    ├── ReaderGone            nobody reads the standard output; the process exits quietly
    ├── OutputLost            the standard output cannot be written; the process exits 2
    ├── BadMessage            bytes from the network that are counted and dropped
    └── RequestError          what a browser or an HTTP client asked for cannot be had
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

INTERNAL_MESSAGE = "something went wrong here; the log of the gateway says what"


class ErrorBody(TypedDict):
    """What a client sees of an error, over Socket.IO and HTTP alike."""

    code: str
    message: str


class SpokeError(Exception):
    """Base of every error raised on purpose; ``code`` is for machines, the text for people."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500


class SettingsError(SpokeError):
    """A setting is wrong; the text names each wrong one and says what to do."""


class SourceError(SpokeError):
    """A source of readings is missing, damaged or not usable."""


class JournalError(SpokeError):
    """The journal cannot be opened or is held by another process."""


class ReaderGone(SpokeError):
    """Nobody reads the standard output any more."""


class OutputLost(SpokeError):
    """The standard output cannot be written; the text says why."""


class BadMessage(SpokeError):
    """A message from the network that must be dropped.

    ``reason`` is one of a closed list and names the counter. ``position`` is the number of a
    reading that was refused only for its ``speed_kmh`` or ``ts_ms``: nothing else is missing.
    ``device_id`` is the one of the topic, where the topic has one.
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
    """A request that cannot be served, told to whoever asked."""

    code = "bad_request"
    status = 400


class BadRequest(RequestError):
    """The request itself is wrong; the text says how to put it right."""


class BadCursor(BadRequest):
    """A cursor is not of the form ``<epoch>-<seq>``."""

    code = "bad_cursor"


class TooManyDevices(BadRequest):
    """A client named more devices than one client may watch by name."""

    code = "too_many_devices"


class Unauthorized(RequestError):
    """Nobody knows who is asking."""

    code = "unauthorized"
    status = 401


class Forbidden(RequestError):
    """Whoever is asking may not have this."""

    code = "forbidden"
    status = 403


class NotFound(RequestError):
    """There is nothing at that address."""

    code = "not_found"
    status = 404


class UnknownDevice(NotFound):
    """No device of that id was heard."""

    code = "unknown_device"


class RateLimited(RequestError):
    """A client asks more often than it may."""

    code = "rate_limited"
    status = 429


class Unavailable(RequestError):
    """The gateway is full or stopping; asking later helps."""

    code = "unavailable"
    status = 503


def describe(error: BaseException) -> tuple[ErrorBody, int]:
    """Translate any error into what may be shown of it: the body and an HTTP status.

    Only a :class:`RequestError` tells its text; of all others a stranger learns nothing.
    """
    if isinstance(error, RequestError):
        return {"code": error.code, "message": str(error)}, error.status
    return {"code": "internal", "message": INTERNAL_MESSAGE}, 500
