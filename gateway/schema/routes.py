"""The HTTP routes of the two API documents, and of ``/docs``, the HTML page of both."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, render_template

from gateway import __version__
from gateway.packets import encode_json
from gateway.schema.asyncapi import asyncapi
from gateway.schema.openapi import openapi
from gateway.schema.page import endpoints_of, events_of, tables_of, topics_of


def create_documents() -> Blueprint:
    """Create the routes. The documents are built once: they never change while a gateway runs."""
    documents = Blueprint("documents", __name__)
    events, endpoints = asyncapi(), openapi()
    shown: dict[str, Any] = {
        "version": __version__,
        "events": events_of(events),
        "topics": topics_of(events),
        "endpoints": endpoints_of(endpoints),
        "tables": tables_of(events, endpoints),
    }
    documents.add_url_rule("/asyncapi.json", "asyncapi", _document_view(events))
    documents.add_url_rule("/openapi.json", "openapi", _document_view(endpoints))
    documents.add_url_rule("/docs", "docs", lambda: render_template("docs.html", **shown))
    return documents


def _document_view(document: dict[str, Any]) -> Callable[[], Response]:
    """Return a view function that sends the document; it is encoded once."""
    body = encode_json(document)
    return lambda: Response(body, mimetype="application/json")
