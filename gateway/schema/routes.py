"""Serve the documents, and the page of both."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, render_template

from gateway import __version__
from gateway.packets import encode_json
from gateway.schema.asyncapi import asyncapi
from gateway.schema.openapi import openapi
from gateway.schema.page import addresses_of, events_of, tables_of, topics_of


def create_documents() -> Blueprint:
    """Create the routes; the documents are made once, they never change while a gateway runs."""
    documents = Blueprint("documents", __name__)
    events, addresses = asyncapi(), openapi()
    shown: dict[str, Any] = {
        "version": __version__,
        "events": events_of(events),
        "topics": topics_of(events),
        "addresses": addresses_of(addresses),
        "tables": tables_of(events, addresses),
    }
    documents.add_url_rule("/asyncapi.json", "asyncapi", _sender(events))
    documents.add_url_rule("/openapi.json", "openapi", _sender(addresses))
    documents.add_url_rule("/docs", "docs", lambda: render_template("docs.html", **shown))
    return documents


def _sender(document: dict[str, Any]) -> Callable[[], Response]:
    """Make the route of a document, which is encoded once."""
    body = encode_json(document)
    return lambda: Response(body, mimetype="application/json")
