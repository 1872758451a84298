"""Run a command and restart it whenever it exits or hangs.

honcho stops all processes as soon as one ends. So each line of the Procfile runs its command under
this supervisor::

    python -m scripts.supervise python -m gateway

How it works. One loop starts the command and waits for signals, for notify messages and for time
limits. Signal handlers only write to a socket (``signal.set_wakeup_fd``) that the loop reads, so no
signal can arrive between a check and the action that follows.

- SIGTERM, SIGINT and SIGHUP: the supervisor sends one SIGTERM to the command and exits after it.
- The command exits: the supervisor restarts it after a pause, 0.2 s at first, up to 5 s if it keeps
  failing. Exit code 2 (wrong settings, port in use) is final, because a restart cannot help.
- The command hangs: it may use systemd's notify protocol (:mod:`shared.notify`). After its first
  ``WATCHDOG=1``, ``--watchdog`` seconds without another one mean that it hangs. The supervisor
  sends SIGABRT, which makes the command print its stacks, then SIGKILL, and restarts it.

Under systemd the supervisor passes the notify messages on.
"""

if __name__ == "__main__":
    from shared.begin import begin

    begin()  # before the slow imports below

import argparse
import ctypes
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

from scripts.watchdog import Watchdog
from shared.arguments import ArgumentParser
from shared.console import tell
from shared.notify import BEAT, READY, STOPPING, Notifier
from shared.program import run as run_program
from shared.signals import ending_signals

DESCRIPTION = "Run a command and restart it whenever it exits or hangs."
WRONG_SETTINGS = 2
COMMAND_NOT_FOUND = 127
FIRST_PAUSE_S = 0.2
"""Short enough that a browser user hardly notices."""
LONGEST_PAUSE_S = 5.0
"""A process that exits at once is started once in 5 s at most."""
STEADY_S = 10.0
"""After a run of this length the next pause is the shortest again."""
STOP_WAIT_S = 4.0
"""How long the command may take to stop. honcho kills the supervisor after 5 s, which would leave
the command behind."""
WATCHDOG_S = 30.0
"""No normal work blocks an event loop this long."""
ABORT_WAIT_S = 3.0
"""How long the command may take to print the stacks of its threads on SIGABRT."""
PR_SET_PDEATHSIG = 1
"""From linux/prctl.h: choose the signal that the kernel sends when the parent dies."""
CREDENTIALS = struct.Struct("3i")
"""Linux's struct ucred."""
SCM_CREDENTIALS = 2
CREDENTIALS_ROOM = socket.CMSG_SPACE(CREDENTIALS.size)
DATAGRAM_BYTES_MAX = 4096
DATAGRAMS_MAX = 100
"""The limit for one read, so that a flood of messages cannot block the loop."""


class Supervisor:
    """One command and its running process."""

    def __init__(
        self, command: Sequence[str], limit_s: float, signals: socket.socket, notes: "NotifySocket"
    ) -> None:
        self._command = tuple(command)
        self._notes = notes
        self._upstream = Notifier()
        # act before systemd does
        upstream_s = self._upstream.limit_s
        self._limit_s = limit_s if upstream_s is None else min(limit_s, upstream_s / 2)
        self._is_asked_to_stop = False
        self._signals = signals

    def run(self) -> int:
        """Run the command until a signal asks to stop or the command cannot run."""
        pause_s = 0.0
        self._read_signals()
        while not self._is_asked_to_stop:
            started_s = time.monotonic()
            code = self._run_once()
            if self._is_final(code):
                return code
            pause_s = next_pause_s(pause_s, time.monotonic() - started_s)
            self._say(f"ended with exit code {code}, starting it again in {pause_s:g} s")
            self._pause(pause_s)
        return 0

    def _is_final(self, code: int) -> bool:
        return self._is_asked_to_stop or code in (WRONG_SETTINGS, COMMAND_NOT_FOUND)

    def _run_once(self) -> int:
        self._notes.read()  # discard messages of the previous process
        try:
            child = _start(self._command, self._notes.environ(self._limit_s))
        except OSError as error:
            self._say(f"cannot be started: {error.strerror}")
            return COMMAND_NOT_FOUND
        code = self._watch(child)
        if self._is_asked_to_stop and code == -signal.SIGTERM:
            return 0  # it stopped normally
        return code if code >= 0 else 128 - code

    def _watch(self, child: subprocess.Popen[bytes]) -> int:
        """Pass signals on and end a hanging process. Return the exit code after the end."""
        watchdog = Watchdog(self._limit_s)
        ending = _Ending(child, self._say)
        while (code := child.poll()) is None:
            self._read_signals()
            self._take_notes(watchdog)
            now_s = time.monotonic()
            if self._is_asked_to_stop:
                ending.ask(signal.SIGTERM, now_s, STOP_WAIT_S)
            elif watchdog.is_hung(now_s):
                if not ending.is_asked:
                    self._say(f"gave no sign of life for {self._limit_s:g} s, aborting it")
                ending.ask(signal.SIGABRT, now_s, ABORT_WAIT_S)
            ending.kill_if_late(now_s)
            self._sleep(ending.wait_s(now_s), watchdog.look_every_s if watchdog.is_armed else None)
        return code

    def _sleep(self, *limits_s: float | None) -> None:
        """Wait for a signal, a notify message, or the shortest of the limits."""
        limit_s = min((limit for limit in limits_s if limit is not None), default=None)
        select.select([self._signals, *self._notes.sockets], [], [], limit_s)

    def _read_signals(self) -> None:
        with suppress(BlockingIOError):
            for number in self._signals.recv(DATAGRAM_BYTES_MAX):
                if number != signal.SIGCHLD and not self._is_asked_to_stop:
                    self._is_asked_to_stop = True
                    self._upstream.tell(STOPPING)

    def _take_notes(self, watchdog: Watchdog) -> None:
        said = self._notes.read()
        if READY in said:
            self._upstream.tell(READY)
        if BEAT in said:
            watchdog.beat(time.monotonic())
            if self._upstream.every_s is not None:
                self._upstream.beat()

    def _pause(self, pause_s: float) -> None:
        until_s = time.monotonic() + pause_s
        while not self._is_asked_to_stop and (left_s := until_s - time.monotonic()) > 0:
            select.select([self._signals], [], [], left_s)
            self._read_signals()

    def _say(self, what: str) -> None:
        tell(" ".join(("supervise:", *self._command, what)) + "\n")


@contextmanager
def caught_signals() -> Iterator[socket.socket]:
    """Catch signals, and give a socket from which their numbers can be read."""
    reader, writer = socket.socketpair()
    with reader, writer:
        for end in (reader, writer):
            end.setblocking(False)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        for number in (*ending_signals(), signal.SIGCHLD):
            signal.signal(number, _take_note)
        try:
            yield reader
        finally:
            signal.set_wakeup_fd(-1)


class _Ending:
    """Ends a process: sends each signal once, and kills the process when time is up."""

    def __init__(self, child: subprocess.Popen[bytes], say: Callable[[str], None]) -> None:
        self._child = child
        self._say = say
        self._asked: set[int] = set()
        self._kill_s: float | None = None
        self._why = ""

    @property
    def is_asked(self) -> bool:
        """Tell whether a signal has been sent."""
        return bool(self._asked)

    def ask(self, signum: int, now_s: float, wait_s: float) -> None:
        """Send ``signum`` once and give the process ``wait_s`` seconds to end."""
        if signum in self._asked:
            return
        self._asked.add(signum)
        self._child.send_signal(signum)
        self._kill_s = min(now_s + wait_s, self._kill_s or float("inf"))
        self._why = f"did not stop within {wait_s:g} s, killing it"

    def kill_if_late(self, now_s: float) -> None:
        """Kill the process if its time is up."""
        if self._kill_s is not None and now_s >= self._kill_s:
            self._say(self._why)
            self._child.kill()
            self._kill_s = None

    def wait_s(self, now_s: float) -> float | None:
        """Return the seconds until the process is killed; None without a limit."""
        return None if self._kill_s is None else max(0.0, self._kill_s - now_s)


class NotifySocket:
    """The socket for notify messages of the command.

    On Linux it has an abstract address, which leaves no file behind if the supervisor is killed,
    and each message carries the user id of its sender. On other systems it is a file in a folder
    that only this user can enter.
    """

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self.sockets: list[socket.socket] = []
        try:
            self._open()
        except OSError as error:
            self.close()
            tell(f"supervise: without a notify socket no hang is detected: {error.strerror}\n")

    def _open(self) -> None:
        receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sockets.append(receiver)
        receiver.setblocking(False)
        if sys.platform == "linux":
            receiver.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            receiver.bind("")  # Linux chooses a free address
            self._address = "@" + receiver.getsockname()[1:].decode()
        else:
            self._folder = tempfile.TemporaryDirectory(prefix="supervise-")
            self._address = str(Path(self._folder.name, "notify"))
            receiver.bind(self._address)

    def environ(self, limit_s: float) -> dict[str, str]:
        """Return the environment for the command, with this socket instead of systemd's."""
        hidden = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}
        environ = {name: value for name, value in os.environ.items() if name not in hidden}
        if self.sockets:
            environ["NOTIFY_SOCKET"] = self._address
            environ["WATCHDOG_USEC"] = str(round(limit_s * 1e6))
        return environ

    def read(self) -> set[bytes]:
        """Return the messages since the last call."""
        said: set[bytes] = set()
        with suppress(BlockingIOError):
            for receiver in self.sockets:
                for _ in range(DATAGRAMS_MAX):
                    data, ancillary, *_rest = receiver.recvmsg(DATAGRAM_BYTES_MAX, CREDENTIALS_ROOM)
                    if _is_of_this_user(ancillary):
                        said.update(data.split(b"\n"))
        return said

    def close(self) -> None:
        """Close the socket and remove its folder."""
        for receiver in self.sockets:
            receiver.close()
        self.sockets.clear()
        if self._folder is not None:
            self._folder.cleanup()


def _is_of_this_user(ancillary: Sequence[tuple[int, int, bytes]]) -> bool:
    """Tell by its credentials (pid, uid, gid) whether a message is from this user or root."""
    if sys.platform != "linux":  # only this user can enter the folder
        return True
    users = {CREDENTIALS.unpack(data)[1] for _, kind, data in ancillary if kind == SCM_CREDENTIALS}
    return bool(users) and users <= {os.geteuid(), 0}


def next_pause_s(last_s: float, lived_s: float) -> float:
    """Return the pause before the next start in s. It doubles each time, up to a limit."""
    if last_s == 0 or lived_s >= STEADY_S:
        return FIRST_PAUSE_S
    return min(2 * last_s, LONGEST_PAUSE_S)


def _start(command: Sequence[str], environ: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start the command in its own process group.

    honcho signals the whole group of the supervisor. In its own group the command gets each signal
    once, from the supervisor.
    """
    return subprocess.Popen(
        command,
        env={**environ, "PYTHONUNBUFFERED": "1"},
        process_group=0,
        preexec_fn=_tied_to_parent(signal.SIGKILL),  # noqa: PLW1509  # no threads here
    )


def _tied_to_parent(signum: int) -> Callable[[], None]:
    """Return a function that asks Linux to send ``signum`` to this process when the parent dies.

    On other systems it does nothing; a process there survives a parent that was killed.
    """
    if sys.platform != "linux":
        return lambda: None
    prctl = ctypes.CDLL(None).prctl  # loaded here, before the fork
    return lambda: prctl(PR_SET_PDEATHSIG, signum)


def _take_note(_number: int, _frame: object) -> None:
    """Do nothing: Python has written the number to the wake-up socket."""


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError("must be more than 0")
    return seconds


def main(arguments: Sequence[str]) -> int:
    """Supervise a command; return the exit code."""
    parser = ArgumentParser("python -m scripts.supervise", description=DESCRIPTION)
    parser.add_argument(
        "--watchdog",
        metavar="SECONDS",
        type=_seconds,
        default=WATCHDOG_S,
        help="restart a command that sent WATCHDOG=1, then nothing for this time (%(default)g)",
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")
    options = parser.parse_args(arguments)
    if not options.command:
        parser.error("name a command to run")
    _tied_to_parent(signal.SIGTERM)()  # a closed terminal ends honcho, but not its children
    with caught_signals() as signals, closing(NotifySocket()) as notes:
        return Supervisor(options.command, options.watchdog, signals, notes).run()


if __name__ == "__main__":
    run_program(partial(main, sys.argv[1:]))
