"""Refuse requests that a page of another origin makes its visitor's browser send.

Any page can make the browser of its visitor send a GET to any server, for example for an image. The
page cannot read the answer, and the browser sends no ``Origin`` header. But each such GET that
opens a session would take one of the connection slots of the visitor's address. Browsers say in
``Sec-Fetch-Site`` where a request comes from (https://www.w3.org/TR/fetch-metadata/). They send
this header to servers on the same machine and to servers with TLS.
"""

from typing import TYPE_CHECKING

from gateway.web.cors import API_PATH
from gateway.web.request_guards import SOCKET_PATH
from shared.errors import Forbidden

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

FOREIGN = frozenset({"cross-site", "same-site"})
"""A page of the same site may have another origin: another port, or another name of the domain."""
REFUSAL = "a page of another origin has to send its Origin; list it in SPOKE_CORS_ORIGINS"


def foreign_page_check(environ: "WSGIEnvironment") -> None:
    """Refuse sessions; refuse data unless the visitor followed a link to it."""
    is_foreign = environ.get("HTTP_SEC_FETCH_SITE") in FOREIGN
    if not is_foreign or "HTTP_ORIGIN" in environ:
        return
    path = environ.get("PATH_INFO", "")
    is_session = path.startswith(SOCKET_PATH)
    is_data = path.startswith(API_PATH) and environ.get("HTTP_SEC_FETCH_MODE") != "navigate"
    if is_session or is_data:
        raise Forbidden(REFUSAL)
