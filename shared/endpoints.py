"""Why a ZeroMQ socket cannot have its endpoint, in one sentence that says what to do. Pure."""

import errno

from shared.setting_table import SETTINGS


def why_not_bound(setting: str, endpoint: str, number: int, reason: str, holder: str) -> str:
    """Say why ``endpoint``, the value of ``setting``, cannot be listened on.

    ``number`` and ``reason`` are those of the system's error; ``holder`` is who may have the
    endpoint already.
    """
    elsewhere = f"or give another address with {setting} or {SETTINGS[setting].flag}"
    if number == errno.EADDRINUSE:
        return f"{setting}: {endpoint} is in use, perhaps by {holder}; stop it {elsewhere}"
    if number == errno.EACCES:
        needed = "needs more rights than you have; take a port above 1023"
        return f"{setting}: {endpoint} {needed} {elsewhere}"
    wrong = f"cannot listen on {endpoint}: {reason}; use an address of this machine"
    return f"{setting}: {wrong} {elsewhere}"


def why_not_connected(setting: str, endpoint: str, reason: str) -> str:
    """Say why ``endpoint``, one of the values of ``setting``, cannot be connected to."""
    return f"{setting}: cannot connect to {endpoint}: {reason}; correct {setting}"
