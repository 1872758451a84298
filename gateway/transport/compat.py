"""What this package relies on of the libraries it replaces parts of, and in which versions.

``EngineServer`` overrides of ``engineio.Server``: ``handle_request``, ``send_packet``,
``disconnect``, ``transport``, ``get_session``, ``_get_socket``, ``shutdown``; it never starts
``_service_task`` and never makes an ``engineio.Socket``. It uses ``generate_id``,
``_trigger_event``, ``_cors_allowed_origins``, ``_cors_headers``, ``_generate_sid_cookie``,
``_unauthorized``, ``_bad_request``, ``_gzip``, ``_deflate``.

``SocketIOServer`` overrides of ``socketio.Server``: ``_engineio_server_class``,
``_send_packet``, ``_send_eio_packet``, ``_handle_eio_connect``, ``_handle_eio_message``,
``_handle_eio_disconnect``, ``_handle_connect``, ``_handle_event``, ``get_environ``,
``instrument``; it uses ``_handle_event_internal``, ``_handle_disconnect``,
``_trigger_event``, ``_binary_packet``, ``environ`` and ``manager``.

``SocketIO`` overrides of ``flask_socketio.SocketIO``: ``init_app``, ``run``; it replaces
``server`` and ``sockio_mw.engineio_app`` with its own after the stock class has wired itself, and
uses ``run_with_reloader`` of werkzeug's ``_reloader`` as the stock class does.

``web_handler.py`` and ``web_server.py`` list in their docstrings what they use of gevent.pywsgi.
"""

import logging
from collections.abc import Mapping
from importlib.metadata import version

logger = logging.getLogger(__name__)

TESTED = {
    "python-engineio": "4.15",
    "python-socketio": "5.18",
    "Flask-SocketIO": "5.7",
    "gevent": "26",  # the first number is the year
}


def untested(installed: Mapping[str, str]) -> list[str]:
    """Return one sentence for each library outside the range this package was tested with."""
    return [
        f"{name} {installed[name]} is untested with this transport: {tested}.x is"
        for name, tested in TESTED.items()
        if not f"{installed[name]}.".startswith(f"{tested}.")
    ]


def check_versions() -> None:
    """Log a warning for each library outside the tested range."""
    for sentence in untested({name: version(name) for name in TESTED}):
        logger.warning(sentence)
