"""Refuse what pages of other sites have a browser ask without saying their origin.

A page may have the browser of its visitor send GETs to any server, as for an image. It cannot read
the answer, and the browser sends no ``Origin`` with that. But each such GET for a session would
take one of the places that the address of the visitor has. Browsers say in ``Sec-Fetch-Site`` where
a request comes from (https://www.w3.org/TR/fetch-metadata/): to this machine, and to servers with
TLS.
"""

from typing import TYPE_CHECKING

from gateway.web.cors import API_PATH
from gateway.web.request_guards import SOCKET_PATH
from shared.errors import Forbidden

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

FOREIGN = frozenset({"cross-site", "same-site"})
"""The same site has other origins, too: other ports, and other names of the same domain."""
REFUSAL = "a page of another origin has to say its origin; list it in SPOKE_CORS_ORIGINS"


def foreign_page_check(environ: "WSGIEnvironment") -> None:
    """Refuse a session, or data that is not the visitor's own navigation."""
    is_foreign = environ.get("HTTP_SEC_FETCH_SITE") in FOREIGN
    if not is_foreign or "HTTP_ORIGIN" in environ:
        return
    path = environ.get("PATH_INFO", "")
    is_session = path.startswith(SOCKET_PATH)
    is_data = path.startswith(API_PATH) and environ.get("HTTP_SEC_FETCH_MODE") != "navigate"
    if is_session or is_data:
        raise Forbidden(REFUSAL)
