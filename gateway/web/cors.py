"""CORS for the HTTP API, by the same rule for origins as Socket.IO's handshake.

A page of a listed origin may read answers. The page of any other origin is refused, and the log
names its origin.
"""

import re
from time import monotonic

from flask import Flask, Response, request
from loguru import logger

from gateway.log_once import LogOncePerPeriod
from gateway.web.request_guards import ORIGINS_SETTING, OriginCheck
from shared.errors import Forbidden
from shared.origins import shown

API_PATH = "/api/"
READ_METHODS = "GET, HEAD, OPTIONS"
EXPOSED = "Link, Retry-After, Spoke-Incomplete, Spoke-Reset"
LOG_PERIOD_S = 60.0
ORIGINS_LOGGED = 20
"""In a period so many origins are named in the log, and one more."""
_HEADER_NAMES = re.compile("[A-Za-z0-9_, -]{1,500}")


def share_with_pages(app: Flask, is_allowed_origin: OriginCheck) -> None:
    """Let the pages of allowed origins read answers under ``/api/``, and refuse all others."""
    logged = LogOncePerPeriod(LOG_PERIOD_S, ORIGINS_LOGGED)

    def refuse_others() -> None:
        origin = request.headers.get("Origin")
        is_api = request.path.startswith(API_PATH)
        if not is_api or is_allowed_origin(origin, request.environ):
            return
        name = shown(origin or "")
        what = f"{name} is not an accepted origin; if it is yours, add it to {ORIGINS_SETTING}"
        repeats = logged.repeats_until(name, monotonic())
        if repeats is not None:
            logger.warning("origin_refused", origin=name, what=what, repeats_not_logged=repeats)
        raise Forbidden(what)

    def add_headers(response: Response) -> Response:
        origin = request.headers.get("Origin")
        is_shared = request.path.startswith(API_PATH) and origin is not None
        if origin is not None and is_shared and is_allowed_origin(origin, request.environ):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = EXPOSED
            if is_preflight():
                _answer_preflight(response)
        return response

    app.before_request(refuse_others)
    app.after_request(add_headers)


def is_preflight() -> bool:
    """Tell whether a browser asks what a page may ask; it sends no credentials with that."""
    return request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers


def _answer_preflight(response: Response) -> None:
    response.headers["Access-Control-Allow-Methods"] = READ_METHODS
    asked = request.headers.get("Access-Control-Request-Headers", "")
    if _HEADER_NAMES.fullmatch(asked):
        response.headers["Access-Control-Allow-Headers"] = asked
