import pytest

from shared.errors import (
    INTERNAL_MESSAGE,
    BadCursor,
    BadMessage,
    BadRequest,
    Forbidden,
    JournalError,
    NotFound,
    RateLimited,
    SettingsError,
    SourceError,
    TooManyDevices,
    Unauthorized,
    Unavailable,
    UnknownDevice,
    describe,
)


@pytest.mark.parametrize(
    ("kind", "code", "status"),
    [
        (BadRequest, "bad_request", 400),
        (BadCursor, "bad_cursor", 400),
        (TooManyDevices, "too_many_devices", 400),
        (Unauthorized, "unauthorized", 401),
        (Forbidden, "forbidden", 403),
        (NotFound, "not_found", 404),
        (UnknownDevice, "unknown_device", 404),
        (RateLimited, "rate_limited", 429),
        (Unavailable, "unavailable", 503),
    ],
)
def test_request_error_shows_code_and_text(kind: type[Exception], code: str, status: int) -> None:
    assert describe(kind("do so")) == ({"code": code, "message": "do so"}, status)


@pytest.mark.parametrize(
    "error",
    [
        *(KeyError("secret"), ZeroDivisionError("secret"), KeyboardInterrupt()),
        *(SettingsError("secret"), SourceError("secret"), JournalError("secret")),
        BadMessage("invalid", "secret"),
    ],
)
def test_other_error_reveals_nothing(error: BaseException) -> None:
    assert describe(error) == ({"code": "internal", "message": INTERNAL_MESSAGE}, 500)
