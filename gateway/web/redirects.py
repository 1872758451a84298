"""Redirects for paths that people type and browsers guess."""

from urllib.parse import quote

from flask import Blueprint, abort, after_this_request, redirect, request
from werkzeug.wrappers import Response

from gateway.web.prefix import url_below


def create_redirects() -> Blueprint:
    """Create the routes that only redirect."""
    redirects = Blueprint("redirects", __name__)

    @redirects.get("/bikes/<device_id>")
    def bike(device_id: str) -> Response:
        return _to_dashboard(f"#/bikes/{quote(device_id, safe='')}")

    @redirects.get("/bikes")
    def bikes() -> Response:
        return _to_dashboard("#/bikes")

    @redirects.get("/favicon.ico")
    def icon() -> Response:
        return redirect(url_below("static/favicon.svg"))

    return redirects


def _to_dashboard(fragment: str) -> Response:
    """Redirect a browser to the dashboard; a program, which cannot use that page, gets 404."""
    after_this_request(_vary_by_accept)
    if request.accept_mimetypes.best_match(["application/json", "text/html"]) != "text/html":
        abort(404)
    return redirect(url_below(fragment))


def _vary_by_accept(answer: Response) -> Response:
    answer.vary.add("Accept")
    return answer
