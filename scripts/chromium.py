"""Find Chromium for the browser tests, or install it from Debian's packages."""

import os
import shutil
import subprocess
from collections.abc import Mapping

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
    apt = _apt_get()
    if apt is None:
        raise ChromiumMissing(f"the browser tests need Chromium, which is missing: {ADVICE}")
    print("test: installing Chromium with apt-get", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
        done = subprocess.run([*apt, "-qq", *words], env=quiet, capture_output=True, check=False)
        if done.returncode != 0:
            raise ChromiumMissing(f"apt-get {words[0]} failed, so Chromium is missing: {ADVICE}")
    path = find_chromium(os.environ)
    if path is None:
        raise ChromiumMissing(f"apt-get installed Chromium, but it cannot be found: {ADVICE}")
    return path


def _apt_get() -> list[str] | None:
    """Return the command to run apt-get as root; None if this is not possible."""
    if shutil.which("apt-get") is None:
        return None
    if os.geteuid() == 0:
        return ["apt-get"]
    if shutil.which("sudo") is None:
        return None
    may = subprocess.run(["sudo", "--non-interactive", "true"], capture_output=True, check=False)
    return ["sudo", "--non-interactive", "apt-get"] if may.returncode == 0 else None
