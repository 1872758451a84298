"""How many clients the limit of file descriptors allows.

How it works. A client that polls may hold two connections at a time, so each session counts as two
descriptors. The gateway raises its limit as far as it may. If that is still too low, it shares the
descriptors out: some for itself, the rest for sessions and for HTTP requests beside them.
"""

import resource
from dataclasses import replace

from loguru import logger

from shared.errors import SettingsError
from shared.setting_table import SETTINGS
from shared.settings import Settings

SPARE_DESCRIPTORS = 64
"""File descriptors for logs, ZeroMQ and the listening socket; connections may use the rest."""
HTTP_SPARE = 16
"""HTTP connections that are served even if every session holds one with a waiting poll."""
CONNECTIONS_ENOUGH = 1_000
"""A default that allows so many browsers needs no warning."""
DESCRIPTORS_MIN = 100
"""With fewer file descriptors the gateway does not start."""


def within_descriptors(settings: Settings) -> tuple[Settings, int]:
    """Raise the descriptor limit, and lower ``max_connections`` if the limit is too low.

    Returns the settings, and how many connections without a session the web server may serve.
    """
    wanted = settings.max_connections
    limit, sessions, http = share_of_descriptors(settings)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = _descriptors_needed(wanted)
    if limit != soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    if sessions < wanted:
        why = f"the descriptor limit is {limit}, {needed} are needed: raise it with ulimit -n"
        level = "WARNING" if is_short(sessions, wanted) else "INFO"
        logger.log(level, "max_connections_lowered", to=sessions, why=why)
    return replace(settings, max_connections=sessions), http


def share_of_descriptors(settings: Settings) -> tuple[int, int, int]:
    """Return the descriptor limit to set, and the shares of it: see :func:`share_out`."""
    wanted = settings.max_connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = descriptor_limit(soft, hard, _descriptors_needed(wanted))
    return limit, *share_out(limit, wanted)


def _descriptors_needed(sessions: int) -> int:
    return 2 * sessions + HTTP_SPARE + SPARE_DESCRIPTORS


def is_short(sessions: int, wanted: int) -> bool:
    """Tell whether fewer sessions than wanted deserve a warning.

    If ``wanted`` is the default, only a limit below :data:`CONNECTIONS_ENOUGH` does.
    """
    is_chosen = str(wanted) != SETTINGS["SPOKE_MAX_CONNECTIONS"].default
    return is_chosen or sessions < CONNECTIONS_ENOUGH


def share_out(limit: int, wanted: int) -> tuple[int, int]:
    """Divide a descriptor limit into sessions and connections that belong to no session.

    Raises SettingsError for a limit that is too low to serve anybody.
    """
    if limit == resource.RLIM_INFINITY:
        return wanted, wanted + HTTP_SPARE
    if limit < DESCRIPTORS_MIN:
        raise SettingsError(
            f"this process may open {limit} files, the gateway needs at least {DESCRIPTORS_MIN}: "
            f"raise the limit (ulimit -n {DESCRIPTORS_MIN}, or LimitNOFILE= of its service)"
        )
    room = limit - SPARE_DESCRIPTORS
    sessions = min(wanted, (room - HTTP_SPARE) // 2)
    return sessions, min(wanted + HTTP_SPARE, room - sessions)


def descriptor_limit(soft: int, hard: int, needed: int) -> int:
    """Return the soft limit to set: the hard limit, or ``needed`` if there is no hard limit.

    macOS has no hard limit, and refuses an unlimited soft one.
    """
    if hard != resource.RLIM_INFINITY:
        return hard
    return soft if soft == resource.RLIM_INFINITY else max(soft, needed)
