"""The private members of other libraries that this package uses, and the tested versions.

The public members that it overrides are in ``EngineServer``, ``SocketIOServer`` and ``SocketIO``.
``web_handler.py`` and ``web_server.py`` override parts of gevent.pywsgi.
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


PRIVATE_MEMBERS = {
    "engineio.Server": {
        "_cors_allowed_origins": "used: it knows each form of the option cors_allowed_origins",
        "_cors_headers": "used: the CORS headers of every answer",
        "_generate_sid_cookie": "used: it knows each attribute of the option cookie",
        "_get_socket": "overridden: sessions are found until their disconnect handler has run",
        "_trigger_event": "used: the only way to the application's handlers",
    },
    "socketio.Server": {
        "_engineio_server_class": "overridden: names the Engine.IO server to build on",
        "_handle_eio_connect": "overridden: keeps a small copy of the WSGI environment",
        "_handle_eio_disconnect": "overridden: a handler that fails must not leave a client behind",
        "_handle_eio_message": "overridden: the test client of Flask-SocketIO calls it",
        "_send_eio_packet": "overridden: the manager sends by it; holds packets until CONNECT",
        "_send_packet": "overridden: the manager sends by it; the test client replaces it",
        "_trigger_event": "used: the only way to the application's handlers",
    },
    "socketio.RedisManager": {
        "_handle_callback": "used: it serves this message of another server",
        "_handle_close_room": "used: it serves this message of another server",
        "_handle_disconnect": "used: it serves this message of another server",
        "_handle_emit": "used: it serves this message of another server",
        "_handle_enter_room": "used: it serves this message of another server",
        "_handle_leave_room": "used: it serves this message of another server",
        "_publish": "overridden: queues the message for the thread that publishes",
    },
    "werkzeug._reloader": {
        "run_with_reloader": "used: restarts the server as Flask-SocketIO does",
    },
}
"""By class or module: each private member that this package overrides or uses, and why."""


def untested(installed: Mapping[str, str]) -> list[str]:
    """Return one sentence for each library outside of the tested range."""
    return [
        f"{name} {installed[name]} is untested with this transport: {tested}.x is"
        for name, tested in TESTED.items()
        if not f"{installed[name]}.".startswith(f"{tested}.")
    ]


def check_versions() -> None:
    """Log a warning for each library outside the tested range."""
    for sentence in untested({name: version(name) for name in TESTED}):
        logger.warning(sentence)
