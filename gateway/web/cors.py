"""CORS headers for the HTTP API, by the same rule for origins as Socket.IO's handshake.

A page of a listed origin may read answers. To the page of any other origin the browser gives
nothing, because the headers are missing.
"""

import re

from flask import Flask, Response, request

from gateway.web.doors import OriginCheck

API_PATH = "/api/"
READ_METHODS = "GET, HEAD, OPTIONS"
EXPOSED = "Link, Retry-After, Spoke-Incomplete, Spoke-Reset"
_HEADER_NAMES = re.compile("[A-Za-z0-9_, -]{1,500}")


def share_with_pages(app: Flask, is_allowed_origin: OriginCheck) -> None:
    """Let the pages of allowed origins read answers under ``/api/``."""

    def add_headers(response: Response) -> Response:
        origin = request.headers.get("Origin")
        is_shared = request.path.startswith(API_PATH) and origin is not None
        if origin is not None and is_shared and is_allowed_origin(origin, request.environ):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = EXPOSED
            if is_preflight():
                _answer_preflight(response)
        return response

    app.after_request(add_headers)


def is_preflight() -> bool:
    """Tell whether a browser asks what a page may ask; it sends no credentials with that."""
    return request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers


def _answer_preflight(response: Response) -> None:
    response.headers["Access-Control-Allow-Methods"] = READ_METHODS
    asked = request.headers.get("Access-Control-Request-Headers", "")
    if _HEADER_NAMES.fullmatch(asked):
        response.headers["Access-Control-Allow-Headers"] = asked
