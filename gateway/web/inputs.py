"""Bounds for the parts of a request that libraries parse: URL, dates, ranges, lists. Pure.

Werkzeug's time for ``Accept`` grows with the square of its length, and some dates make it raise.
So the gateway removes such a header before a library reads it: a server may ignore each of them
(RFC 9110, sections 12.1, 13.1 and 14.2). It refuses a URL that is longer than any route.
"""

import re
from typing import TYPE_CHECKING

from shared.errors import BadRequest

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

PATH_MAX = 1_000
"""Characters; the longest path of the gateway has 200."""
QUERY_MAX, FIELDS_MAX = 4_000, 64
"""Characters and fields. An application may put a token into the query of its handshake."""
LIST_MAX = 1_000
"""Characters of a header that holds a list. Browsers send an ``Accept`` of at most 200."""

_TIME = "[0-9]{2}:[0-9]{2}:[0-9]{2}"
# the three forms of RFC 9110, section 5.6.7
_DATE = (
    f"[A-Za-z]{{3}}, [0-9]{{2}} [A-Za-z]{{3}} [0-9]{{4}} {_TIME} GMT"
    f"|[A-Za-z]{{6,9}}, [0-9]{{2}}-[A-Za-z]{{3}}-[0-9]{{2}} {_TIME} GMT"
    f"|[A-Za-z]{{3}} [A-Za-z]{{3}} [ 0-9][0-9] {_TIME} [0-9]{{4}}"
)
_LIST = rf"[^\r\n]{{0,{LIST_MAX}}}"
_TAG = r'(?:W/)?"[^"\r\n]{0,200}"'
_FORMS = {
    "HTTP_ACCEPT": _LIST,
    "HTTP_ACCEPT_CHARSET": _LIST,
    "HTTP_ACCEPT_ENCODING": _LIST,
    "HTTP_ACCEPT_LANGUAGE": _LIST,
    "HTTP_CACHE_CONTROL": _LIST,
    "HTTP_IF_MATCH": _LIST,
    "HTTP_IF_NONE_MATCH": _LIST,
    "HTTP_IF_MODIFIED_SINCE": _DATE,
    "HTTP_IF_UNMODIFIED_SINCE": _DATE,
    "HTTP_IF_RANGE": f"{_DATE}|{_TAG}",
    # One range: werkzeug answers 416 to several ranges, but a server may send the whole file.
    "HTTP_RANGE": "bytes=(?:[0-9]{1,15}-[0-9]{0,15}|-[0-9]{1,15})",
}
_CHECKS = {name: re.compile(form).fullmatch for name, form in _FORMS.items()}


def check_address(environ: "WSGIEnvironment") -> None:
    """Refuse a path or query that is longer than any that this gateway serves."""
    query = environ.get("QUERY_STRING", "")
    if len(environ.get("PATH_INFO", "")) > PATH_MAX:
        raise BadRequest(f"the path has more than {PATH_MAX:,} characters: shorten it")
    if len(query) > QUERY_MAX or query.count("&") >= FIELDS_MAX:
        limits = f"{QUERY_MAX:,} characters or {FIELDS_MAX} fields"
        raise BadRequest(f"the query has more than {limits}: shorten it")


def remove_unreadable_headers(environ: "WSGIEnvironment") -> None:
    """Remove headers that are too long or malformed, as if the client had not sent them."""
    for name in _CHECKS.keys() & environ.keys():
        if _CHECKS[name](environ[name]) is None:
            del environ[name]
