"""Describe the machine of the benchmark and the versions of the measured software."""

import json
import os
import platform
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

from scripts.benchmarks.servers import ROOT, STORE

PYTHON_PACKAGES = ("gevent", "Flask-SocketIO", "python-engineio", "simple-websocket", "pyzmq")
NODE_PACKAGES = ("socket.io", "zeromq")
IDLE_LOAD = 0.5
DEBIAN_PACKAGES = ("mosquitto", "nginx", "libnginx-mod-nchan", "gcc")


def machine_lines() -> list[str]:
    """Describe the machine in a few lines."""
    return [
        f"{_processor()}, {os.cpu_count()} cores, {_memory_gb():.0f} GB, {platform.platform()}",
        _load(),
        ", ".join([f"Spoke {_revision()}, Python {platform.python_version()}", *_packages()]),
        ", ".join([*_node_versions(), *_debian_versions()]),
    ]


def _load() -> str:
    load = os.getloadavg()[0]
    warning = "" if load < IDLE_LOAD else ": other programs were running, the figures suffer"
    return f"load before the run {load:.1f}{warning}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(": ")[2]
    return platform.machine()


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _revision() -> str:
    return _output("git", "-C", str(ROOT), "describe", "--always", "--dirty")


def _packages() -> list[str]:
    return [f"{name} {metadata.version(name)}" for name in PYTHON_PACKAGES]


def _node_versions() -> list[str]:
    if not shutil.which("node"):
        return []
    packages = ((name, STORE / "node" / "node_modules" / name) for name in NODE_PACKAGES)
    return [f"Node.js {_output('node', '--version')}"] + [
        f"{name} {json.loads((folder / 'package.json').read_text())['version']}"
        for name, folder in packages
        if folder.exists()
    ]


def _debian_versions() -> list[str]:
    if not shutil.which("dpkg-query"):
        return []
    wanted = ("dpkg-query", "-W", "-f", "${Package} ${Version}\n", *DEBIAN_PACKAGES)
    return _output(*wanted).splitlines()


def _output(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.stdout.strip()
