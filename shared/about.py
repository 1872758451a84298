"""Says which version of Spoke this is: its number, its commit and its libraries."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMIT_FILE = "COMMIT"
"""A file in the project's folder that names the commit where git cannot: in an image."""
GIT_MAX_S = 5.0
LIBRARIES = (
    "Flask",
    "Flask-SocketIO",
    "gevent",
    "greenlet",
    "msgspec",
    "prometheus-client",
    "python-engineio",
    "python-socketio",
    "pyzmq",
    "Werkzeug",
)


def about(program: str, number: str) -> str:
    """Return the text of ``--version``."""
    lines = [
        f"spoke {program} {number}",
        f"commit {commit()}",
        f"Python {platform.python_version()}",
        *(f"{name} {_version_of(name)}" for name in LIBRARIES),
        f"libzmq {_libzmq()}",
    ]
    return "\n".join(lines) + "\n"


def commit(folder: Path = ROOT) -> str:
    """Return the commit of the project, with ``-dirty`` after changes; ``unknown`` without git."""
    try:
        return (folder / COMMIT_FILE).read_text(encoding="utf-8").strip() or "unknown"
    except OSError:
        pass
    if not (folder / ".git").exists():  # git would name the commit of a folder around this one
        return "unknown"
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=GIT_MAX_S
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip() or "unknown"


def _version_of(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _libzmq() -> str:
    import zmq  # noqa: PLC0415  # slow, and needed here only

    return zmq.zmq_version()
