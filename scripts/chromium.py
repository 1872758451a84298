"""Find Chromium for the tests of the page, or install it from Debian's packages."""

import os
import shutil
import subprocess
from collections.abc import Mapping

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC_PLACES = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
ADVICE = "install it ('sudo apt-get install chromium' on Debian), or set CHROMIUM to where it is"


class ChromiumMissing(Exception):
    """There is no Chromium, and it could not be installed; the text says what to do."""


def get_chromium() -> str:
    """Return the path of Chromium, installed if it has to be; raises ChromiumMissing."""
    return find_chromium(os.environ) or _install()


def find_chromium(environ: Mapping[str, str]) -> str | None:
    """Return the path that ``CHROMIUM`` names, else of the first browser found.

    Raises ChromiumMissing when ``CHROMIUM`` names no program.
    """
    named = environ.get("CHROMIUM")
    places = (named,) if named else (*NAMES, *MAC_PLACES)
    found = filter(None, (shutil.which(place, path=environ.get("PATH")) for place in places))
    path = next(found, None)
    if named and path is None:
        raise ChromiumMissing(f"CHROMIUM is {named}, and no program is there")
    return path


def _install() -> str:
    apt = _apt_get()
    if apt is None:
        raise ChromiumMissing(f"the tests of the page need Chromium, which is missing: {ADVICE}")
    print("test: installing Chromium with apt-get", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
        done = subprocess.run([*apt, "-qq", *words], env=quiet, capture_output=True, check=False)
        if done.returncode != 0:
            raise ChromiumMissing(f"apt-get {words[0]} failed, so Chromium is missing: {ADVICE}")
    path = find_chromium(os.environ)
    if path is None:
        raise ChromiumMissing(f"apt-get installed no Chromium that can be found: {ADVICE}")
    return path


def _apt_get() -> list[str] | None:
    """Return how to call apt-get with the right to install; None when there is no way."""
    if shutil.which("apt-get") is None:
        return None
    if os.geteuid() == 0:
        return ["apt-get"]
    if shutil.which("sudo") is None:
        return None
    may = subprocess.run(["sudo", "--non-interactive", "true"], capture_output=True, check=False)
    return ["sudo", "--non-interactive", "apt-get"] if may.returncode == 0 else None
