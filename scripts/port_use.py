"""Check whether a process can listen on a TCP address; if not, find the reason and the holder."""

import errno
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from shared.addresses import socket_address

CONNECT_WAIT_S = 0.5
"""A process on this machine accepts a connection in less time."""
COMMAND_LENGTH_MAX = 60
"""Enough to recognise a program, and short enough for a readable sentence."""
LISTENING = "0A"
"""TCP_LISTEN in Linux's ``/proc/net/tcp``."""


class Listener(NamedTuple):
    """A TCP address on which a process will listen, and the settings that change it."""

    owner: str
    host: str
    port: int
    host_setting: str
    port_setting: str


def trouble_with(listener: Listener) -> str | None:
    """Return one sentence why the address is not available; None if it is."""
    owner, host, port = listener.owner, listener.host, listener.port
    number = _bind_error("" if host == "*" else host.strip("[]"), port)
    if number is None:
        return None
    if number == errno.EADDRINUSE:
        holder = holder_of(port) or "another program"
        advice = f"stop it, or change {listener.port_setting}"
        return f"{owner} needs port {port}, which {holder} uses: {advice}"
    setting = listener.port_setting if number == errno.EACCES else listener.host_setting
    return f"{owner} cannot listen on {host}:{port} ({os.strerror(number)}): change {setting}"


def holder_of(port: int) -> str | None:
    """Name the process that listens on ``port``; None if unknown."""
    return _holder_in_proc(port) if sys.platform == "linux" else _holder_by_lsof(port)


def _bind_error(host: str, port: int) -> int | None:
    """Return the errno that listening would give; None if it would work."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # as the servers do, so that a recently closed connection does not matter
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(socket_address(host, port))
        except socket.gaierror:
            return None  # the name of a network interface, which ZeroMQ supports
        except OSError as error:
            return error.errno
    return errno.EADDRINUSE if _answers(host, port) else None


def _answers(host: str, port: int) -> bool:
    """Tell whether a server answers there. macOS allows a second bind beside a wildcard one."""
    try:
        socket.create_connection((host or "localhost", port), CONNECT_WAIT_S).close()
    except OSError:
        return False
    return True


def _holder_in_proc(port: int) -> str | None:
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):  # the process has ended, or belongs to another user
            if str(descriptor.readlink()) in sockets:
                return _describe_process(descriptor.parents[1])
    return None


def _listening_inodes(port: int) -> Iterator[str]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):  # a kernel without IPv6 has only the first
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9]


def _describe_process(folder: Path) -> str:
    words = (folder / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    command = b" ".join(words).decode(errors="replace")
    return f"'{command[:COMMAND_LENGTH_MAX]}' (process {folder.name})"


def _holder_by_lsof(port: int) -> str | None:
    if shutil.which("lsof") is None:
        return None
    query = ["lsof", "-nP", "-Fpc", f"-iTCP:{port}", "-sTCP:LISTEN"]
    answer = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    fields = {line[:1]: line[1:] for line in answer.splitlines()}
    return f"'{fields['c']}' (process {fields['p']})" if {"p", "c"} <= fields.keys() else None
