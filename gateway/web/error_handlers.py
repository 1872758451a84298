"""Translate every error into an answer, for HTTP and for Socket.IO."""

from collections.abc import Mapping
from http import HTTPStatus
from time import monotonic

from flask import Flask, Response, json, request
from loguru import logger
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.exceptions import NotFound as NoRoute

from shared.errors import BadRequest, ErrorBody, NotFound, RequestError, describe
from shared.log_once import LogOncePerPeriod

PROBLEM = "application/problem+json"
RETRY_AFTER_S = 2
"""``Retry-After`` of a 503: a lack of time or memory passes soon."""
TRACE_PERIOD_S = 60.0
NO_ROUTE = "there is nothing at this address; /docs lists all addresses"
METHOD_CHARS_MAX = 20

_logged = LogOncePerPeriod(TRACE_PERIOD_S)


def translate(error: Exception, **where: object) -> tuple[ErrorBody, int]:
    """Return the body and the HTTP status of an error; log an unexpected one with its stack trace.

    Each line of code logs its trace at most once a minute: a stranger who finds a bug could trigger
    it again and again, and fill the log.
    """
    if not isinstance(error, RequestError):
        _log_unforeseen(error, where)
    return describe(error)


def _log_unforeseen(error: Exception, where: Mapping[str, object]) -> None:
    repeats = _logged.repeats_until(_place_of(error), monotonic())
    if repeats is not None:
        logger.opt(exception=error).error("request_failed", **where, repeats_not_logged=repeats)


def _place_of(error: Exception) -> str:
    """Return the type of an error and the line of code that raised it."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    line = "" if last is None else f"{last.tb_frame.f_code.co_filename}:{last.tb_lineno}"
    return f"{type(error).__name__} {line}"


def problem(body: ErrorBody, status: int) -> Response:
    """Write an error in the format of RFC 9457."""
    title = HTTPStatus(status).phrase
    fields = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "code": body["code"],
        "detail": body["message"],
    }
    response = Response(json.dumps(fields), status, mimetype=PROBLEM)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response


def register_error_handlers(app: Flask) -> None:
    def on_error(error: Exception) -> Response:
        if isinstance(error, HTTPException):
            return _from_http(error)
        return problem(*translate(error, route="http"))

    app.register_error_handler(Exception, on_error)


def _from_http(error: HTTPException) -> Response:
    """Answer a request that Flask itself refused: unknown path, method not allowed."""
    kind = NotFound if error.code == HTTPStatus.NOT_FOUND else BadRequest
    body, _status = describe(kind(_advice(error)))
    response = problem(body, error.code or 500)
    for name, value in error.get_headers():
        if name.lower() == "allow":
            response.headers[name] = value
    return response


def _advice(error: HTTPException) -> str:
    if isinstance(error, NoRoute):
        return NO_ROUTE
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        *others, last = sorted(error.valid_methods)
        method = request.method[:METHOD_CHARS_MAX]
        return f"{method} is not allowed at this address: use {', '.join(others)} or {last}"
    return error.description or error.name
