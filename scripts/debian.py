"""Find what the tests need besides Python and Node.js, or install its Debian packages."""

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

SERVERS = {
    "gcc": "gcc",
    "haproxy": "haproxy",
    "mosquitto": "mosquitto",
    "nginx": "nginx",
    "promtool": "prometheus",
    "redis-server": "redis-server",
    "systemd-analyze": "systemd",
}
"""What the tests run, and the Debian package of each program."""
HEADERS = {"stdio.h": "libc6-dev", "zmq.h": "libzmq3-dev", "cjson/cJSON.h": "libcjson-dev"}
"""A header of each library for the example in C, and its Debian package."""
INCLUDE_FOLDERS = ("/usr/include", "/usr/local/include")
SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"
"""Debian keeps servers here, outside of a user's PATH."""


class InstallFailed(Exception):
    """The packages could not be installed. The text says why."""


def find_program(name: str) -> str | None:
    """Return the path of a program, also when it lies in a folder of the system."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{SYSTEM_FOLDERS}")


def missing_packages() -> list[str]:
    """Return the packages of the programs and libraries that this machine lacks."""
    programs = [package for name, package in SERVERS.items() if find_program(name) is None]
    return programs + [package for name, package in HEADERS.items() if not has_header(name)]


def has_header(name: str) -> bool:
    """Tell whether the compiler finds a header."""
    return any(Path(folder, name).exists() for folder in INCLUDE_FOLDERS)


def install(packages: Iterable[str]) -> None:
    """Install Debian packages without asking. Raises InstallFailed."""
    apt = _apt_get()
    if apt is None:
        raise InstallFailed("apt-get cannot be run as root")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        done = subprocess.run([*apt, "-qq", *words], env=quiet, capture_output=True, check=False)
        if done.returncode != 0:
            raise InstallFailed(f"apt-get {words[0]} failed")


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
