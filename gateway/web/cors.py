"""CORS for the HTTP API and static files; Socket.IO's handshake applies the same rule for origins.

A page of an allowed origin may read answers. Browsers keep answers from pages of any other origin,
because these answers lack the header; the gateway logs such an origin.
"""

import re
from time import monotonic

from flask import Flask, Response, request
from loguru import logger

from gateway.web.request_guards import ORIGINS_SETTING, OriginCheck
from shared.log_once import LogOncePerPeriod
from shared.origins import shown

API_PATH = "/api/"
SHARED_PATHS = (API_PATH, "/static/")
"""A page of an allowed origin may read data, and load ``static/spoke.js`` as a module."""
READ_METHODS = "GET, HEAD, OPTIONS"
EXPOSED = "Link, Retry-After, Spoke-Incomplete, Spoke-Reset"
LOG_PERIOD_S = 60.0
ORIGINS_LOGGED = 20
"""The log names so many origins in one period, and one more."""
_HEADER_NAMES = re.compile("[A-Za-z0-9_, -]{1,500}")


def share_with_pages(app: Flask, is_allowed_origin: OriginCheck) -> None:
    """Let pages of allowed origins read answers under :data:`SHARED_PATHS`."""
    logged = LogOncePerPeriod(LOG_PERIOD_S, ORIGINS_LOGGED)

    def log_others() -> None:
        origin = request.headers.get("Origin")
        is_shared = request.path.startswith(SHARED_PATHS)
        if not is_shared or is_allowed_origin(origin, request.environ):
            return
        name = shown(origin or "")
        repeats = logged.repeats_until(name, monotonic())
        if repeats is not None:
            what = f"its pages cannot read answers; if it is yours, add it to {ORIGINS_SETTING}"
            logger.warning("origin_refused", origin=name, what=what, repeats_not_logged=repeats)

    def add_headers(response: Response) -> Response:
        origin = request.headers.get("Origin")
        is_shared = request.path.startswith(SHARED_PATHS) and origin is not None
        if origin is not None and is_shared and is_allowed_origin(origin, request.environ):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = EXPOSED
            if is_preflight():
                _answer_preflight(response)
        return response

    app.before_request(log_others)
    app.after_request(add_headers)


def is_preflight() -> bool:
    """Tell whether this is a CORS preflight request; browsers send it without credentials."""
    return request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers


def _answer_preflight(response: Response) -> None:
    response.headers["Access-Control-Allow-Methods"] = READ_METHODS
    asked = request.headers.get("Access-Control-Request-Headers", "")
    if _HEADER_NAMES.fullmatch(asked):
        response.headers["Access-Control-Allow-Headers"] = asked
