"""Find Chromium for the browser tests, or install it from Debian's packages."""

import os
import shutil
from collections.abc import Mapping

from scripts.debian import InstallFailed, install

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC_PLACES = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
ADVICE = "install it ('sudo apt-get install chromium' on Debian), or set CHROMIUM to its path"


class ChromiumMissing(Exception):
    """Chromium is missing and could not be installed. The text gives advice."""


def get_chromium() -> str:
    """Return the path of Chromium; install it if necessary. Raises ChromiumMissing."""
    return find_chromium(os.environ) or _install()


def find_chromium(environ: Mapping[str, str]) -> str | None:
    """Return the path in ``CHROMIUM``, or else the path of the first browser found.

    Raises ChromiumMissing if ``CHROMIUM`` is not a program.
    """
    named = environ.get("CHROMIUM")
    places = (named,) if named else (*NAMES, *MAC_PLACES)
    found = filter(None, (shutil.which(place, path=environ.get("PATH")) for place in places))
    path = next(found, None)
    if named and path is None:
        raise ChromiumMissing(f"CHROMIUM is {named}, which is not a program")
    return path


def _install() -> str:
    print("test: installing Chromium with apt-get", flush=True)
    try:
        install(["chromium"])
    except InstallFailed as error:
        raise ChromiumMissing(f"{error}, so Chromium is missing: {ADVICE}") from None
    path = find_chromium(os.environ)
    if path is None:
        raise ChromiumMissing(f"apt-get installed Chromium, but it cannot be found: {ADVICE}")
    return path
