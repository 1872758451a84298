"""Compile and download the programs for the benchmark, into a separate folder."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from scripts.benchmarks.processes import BenchError
from scripts.benchmarks.servers import HERE, SERVERS, STORE

NODE_PACKAGES = ("socket.io@4", "zeromq@6")
DEBIAN_PACKAGES = {
    "mosquitto": ["mosquitto"],
    "nginx": ["nginx", "libnginx-mod-nchan"],
    "gcc": ["gcc", "libc6-dev"],
    "haproxy": ["haproxy"],
}
C_FLAGS = ("-O2", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE")


def prepare() -> dict[str, str]:
    """Prepare all servers. Return the reasons for servers that are left out, by name."""
    prepare_load()
    compile_c([HERE / "limit" / "send_loop.c"], STORE / "send_loop")
    left_out: dict[str, str] = {}
    for name, server in SERVERS.items():
        try:
            for command in server.needs:
                _need(command)
            if name == "node":
                _fetch_node_packages()
        except BenchError as error:
            left_out[name] = str(error)
    return left_out


def prepare_load() -> None:
    """Compile the load client."""
    STORE.mkdir(exist_ok=True)
    (STORE / ".gitignore").write_text("*\n")
    _need("gcc")
    compile_c(sorted((HERE / "load").glob("*.c")), STORE / "load")


def prepare_cluster() -> None:
    """Prepare what the measurements of several gateways need besides Spoke."""
    prepare_load()
    for command in ("node", "haproxy"):
        _need(command)


def compile_c(sources: Sequence[Path], program: Path) -> None:
    """Compile a C program."""
    argv = ["gcc", *C_FLAGS, "-o", str(program), *map(str, sources)]
    _run(argv, f"{program.name} could not be compiled")


def _need(command: str) -> None:
    """Check that a command is installed. As root on Debian, install it."""
    if shutil.which(command, path=f"{os.environ['PATH']}:/usr/sbin"):
        return
    packages = DEBIAN_PACKAGES.get(command)
    if packages is None or os.geteuid() != 0 or not shutil.which("apt-get"):
        wanted = " ".join(packages or [command])
        raise BenchError(f"{command} is not installed (Debian: apt-get install {wanted})")
    _install(packages)


def _install(packages: Sequence[str]) -> None:
    """Install Debian packages without starting their services."""
    no_start = Path("/usr/sbin/policy-rc.d")
    is_ours = not no_start.exists()
    if is_ours:
        no_start.write_text("#!/bin/sh\nexit 101\n")
        no_start.chmod(0o755)
    try:
        argv = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
        _run(argv, f"{' and '.join(packages)} could not be installed")
    finally:
        if is_ours:
            no_start.unlink()


def _fetch_node_packages() -> None:
    folder = STORE / "node"
    if (folder / "node_modules" / "zeromq").exists():
        return
    folder.mkdir(exist_ok=True)
    (folder / "package.json").write_text('{"private": true}\n')
    argv = ["npm", "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit"]
    _run([*argv, "--no-fund", *NODE_PACKAGES], "the npm packages could not be downloaded")


def _run(argv: Sequence[str], trouble: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise BenchError(f"{trouble}: {lines[-1]}")
