"""The one place where an error becomes an answer, for both edges: HTTP and Socket.IO."""

from http import HTTPStatus

from flask import Flask, Response, json
from loguru import logger
from werkzeug.exceptions import HTTPException

from shared.errors import BadRequest, ErrorBody, NotFound, RequestError, describe

PROBLEM = "application/problem+json"


def translate(error: Exception, **where: object) -> tuple[ErrorBody, int]:
    """Translate an error; one nobody foresaw is logged with its stack trace, once, here."""
    if not isinstance(error, RequestError):
        logger.opt(exception=error).error("request_failed", **where)
    return describe(error)


def problem(body: ErrorBody, status: int) -> Response:
    """Write an error as RFC 9457 has it."""
    title = HTTPStatus(status).phrase
    fields = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "code": body["code"],
        "detail": body["message"],
    }
    return Response(json.dumps(fields), status, mimetype=PROBLEM)


def register_error_handlers(app: Flask) -> None:
    """Answer every error of an HTTP route."""

    def on_error(error: Exception) -> Response:
        if isinstance(error, HTTPException):
            return _from_http(error)
        return problem(*translate(error, route="http"))

    app.register_error_handler(Exception, on_error)


def _from_http(error: HTTPException) -> Response:
    """Answer what Flask itself refused: no such address, no such method."""
    kind = NotFound if error.code == HTTPStatus.NOT_FOUND else BadRequest
    body, _status = describe(kind(error.description or error.name))
    response = problem(body, error.code or 500)
    for name, value in error.get_headers():
        if name.lower() == "allow":
            response.headers[name] = value
    return response
