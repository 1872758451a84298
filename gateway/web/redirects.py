"""Addresses that people type and browsers guess, and where they lead."""

from urllib.parse import quote

from flask import Blueprint, abort, after_this_request, redirect, request, url_for
from werkzeug.wrappers import Response


def create_detours() -> Blueprint:
    """Create the routes that only lead on."""
    detours = Blueprint("detours", __name__)

    @detours.get("/bikes/<device_id>")
    def bike(device_id: str) -> Response:
        return _to_page(f"#/bikes/{quote(device_id, safe='')}")

    @detours.get("/bikes")
    def bikes() -> Response:
        return _to_page("#/bikes")

    @detours.get("/favicon.ico")
    def icon() -> Response:
        return redirect(url_for("static", filename="favicon.svg"))

    return detours


def _to_page(fragment: str) -> Response:
    """Lead a browser to the page; a program, which cannot use that, is told there is nothing."""
    after_this_request(_vary_by_accept)
    if request.accept_mimetypes.best_match(["application/json", "text/html"]) != "text/html":
        abort(404)
    return redirect(url_for("pages.dashboard") + fragment)


def _vary_by_accept(answer: Response) -> Response:
    answer.vary.add("Accept")
    return answer
