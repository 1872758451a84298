"""Error messages for endpoints that a ZeroMQ socket cannot bind or connect to."""

import errno

from shared.setting_table import SETTINGS


def why_not_bound(setting: str, endpoint: str, number: int, reason: str, holder: str) -> str:
    """Describe why ``endpoint``, the value of ``setting``, cannot be bound, and how to fix it.

    ``number`` and ``reason`` are the errno and the text of the system's error. ``holder`` names
    the program that probably uses the endpoint.
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
    """Describe why a socket cannot connect to ``endpoint``, a value of ``setting``."""
    return f"{setting}: cannot connect to {endpoint}: {reason}; correct {setting}"
