"""Run an unpacked image, device and gateway, until a stock client gets readings.

For ``scripts/image-test``. Each process runs as process 1 of its own namespace, as the image's
user, on a read-only file system with a volume: as Docker runs them, but on this machine's network.
"""

import argparse
import asyncio
import json
import os
import shlex
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import socketio

READINGS = 50
WAIT_S = 30.0
STOP_WAIT_S = 10.0
ENTER = """
set -eu
mount --bind "$ROOT_FOLDER" "$ROOT_FOLDER"
mount -o remount,bind,ro "$ROOT_FOLDER"
mount -t proc proc "$ROOT_FOLDER/proc"
mount --rbind /dev "$ROOT_FOLDER/dev"
mount -t tmpfs tmpfs "$ROOT_FOLDER/tmp"
mount --bind "$VOLUME_FOLDER" "$ROOT_FOLDER$VOLUME"
"""


@dataclass(frozen=True)
class Image:
    """The unpacked files of an image, and its configuration."""

    root: Path
    user: str
    environ: Mapping[str, str]
    command: Sequence[str]
    check: Sequence[str]
    volume: str
    folder: str

    @contextmanager
    def run(self, command: Sequence[str], environ: Mapping[str, str]) -> Iterator["Container"]:
        """Run a command in a container of its own, which ends with the context."""
        with tempfile.TemporaryDirectory() as volume:
            uid, gid = map(int, self.user.split(":"))
            os.chown(volume, uid, gid)
            outside = {
                "ROOT_FOLDER": str(self.root),
                "VOLUME_FOLDER": volume,
                "VOLUME": self.volume,
            }
            script = f"{ENTER}\nexec {shlex.join(self._inside(command, environ))}"
            started = subprocess.Popen(
                ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script],
                env={**os.environ, **outside},
                stdin=subprocess.DEVNULL,
            )
            try:
                yield Container(self, started, environ)
            finally:
                started.kill()
                started.wait()

    def _inside(self, command: Sequence[str], environ: Mapping[str, str]) -> list[str]:
        change = ["chroot", f"--userspec={self.user}", "--groups=", str(self.root)]
        return [*change, *self.words(command, environ)]

    def words(self, command: Sequence[str], environ: Mapping[str, str]) -> list[str]:
        """Return the command with the environment and the folder of the image."""
        values = [f"{name}={value}" for name, value in {**self.environ, **environ}.items()]
        return ["env", "--ignore-environment", f"--chdir={self.folder}", *values, *command]


@dataclass(frozen=True)
class Container:
    """A running command of an image."""

    image: Image
    started: "subprocess.Popen[bytes]"
    environ: Mapping[str, str]

    def check(self) -> None:
        """Run the health check of the image beside the command."""
        uid, gid = self.image.user.split(":")
        target = ["nsenter", f"--target={self._first()}", "--mount", "--pid", "--root", "--wd"]
        user = [f"--setuid={uid}", f"--setgid={gid}"]
        check = self.image.words(self.image.check, self.environ)
        subprocess.run([*target, *user, *check], check=True, timeout=WAIT_S)

    def stop(self) -> None:
        """Stop the command as Docker does."""
        os.kill(self._first(), 15)
        code = self.started.wait(STOP_WAIT_S)
        if code != 0:
            raise SystemExit(f"the container ended with exit code {code}")

    def _first(self) -> int:
        """Return the id of the container's process 1 on this machine."""
        pid = self.started.pid
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii"))


def read_image(root: Path, config: Path) -> Image:
    """Read what ``buildah inspect`` says about the image."""
    values = json.loads(config.read_text(encoding="utf-8"))["Docker"]["config"]
    environ = dict(entry.split("=", 1) for entry in values["Env"])
    check = values["Healthcheck"]["Test"][1:]
    volume = next(iter(values["Volumes"]))
    command, folder = values["Cmd"], values["WorkingDir"]
    return Image(root, values["User"], environ, command, check, volume, folder)


async def count_readings(url: str) -> None:
    """Follow all bikes with a stock client until enough readings came."""
    numbers: list[int] = []
    enough = asyncio.Event()
    client = socketio.AsyncClient()

    def note(reading: Mapping[str, int]) -> None:
        numbers.append(reading["seq"])
        if len(numbers) >= READINGS:
            enough.set()

    client.on("speed_change", note)
    subscribe = {"subscribe": {"devices": "*"}}
    await client.connect(url, auth=subscribe, retry=True)
    await asyncio.wait_for(enough.wait(), WAIT_S)
    await client.disconnect()
    first = numbers[0]
    if numbers != list(range(first, first + len(numbers))):
        raise SystemExit(f"readings are missing or repeated: {numbers}")
    print(f"a client got the readings {first} to {numbers[-1]}", flush=True)


def look_at_page(url: str) -> None:
    """Check that the dashboard's libraries are in the image."""
    for path in ("/static/vendor/socket.io.esm.min.js", "/static/vendor/uPlot.esm.js"):
        with urlopen(url + path, timeout=WAIT_S) as answer:  # noqa: S310  # http
            print(f"{path}: {len(answer.read())} bytes", flush=True)


def free_port() -> int:
    """Return a port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main(argv: Sequence[str]) -> None:
    """Run both processes, look at them as a client and as Docker, and stop them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("config", type=Path)
    options = parser.parse_args(argv)
    image = read_image(options.root, options.config)
    web, live, replay = free_port(), free_port(), free_port()
    device = {
        "SPOKE_PUB_BIND": f"tcp://0.0.0.0:{live}",
        "SPOKE_REPLAY_BIND": f"tcp://0.0.0.0:{replay}",
    }
    gateway = {
        "SPOKE_DEVICE_CONNECT": f"tcp://127.0.0.1:{live}",
        "SPOKE_REPLAY_CONNECT": f"tcp://127.0.0.1:{replay}",
        "SPOKE_GATEWAY_PORT": str(web),
    }
    with ExitStack() as running:
        bike = running.enter_context(image.run(["python", "-m", "device"], device))
        server = running.enter_context(image.run(image.command, gateway))
        asyncio.run(count_readings(f"http://127.0.0.1:{web}"))
        look_at_page(f"http://127.0.0.1:{web}")
        for container in (bike, server):
            container.check()
            container.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
