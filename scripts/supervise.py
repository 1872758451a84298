"""Keep one process of the Procfile running: start it again whenever it ends by itself or hangs.

honcho ends everything as soon as one process ends, so each line of the Procfile runs under this::

    python -m scripts.supervise python -m gateway

SIGTERM, SIGINT and SIGHUP ask the command to end, by one SIGTERM, and end both. Exit code 2 (wrong
settings, port taken) is final: starting again cannot help.

A command may speak systemd's notify protocol (:mod:`shared.notify`). Once it has said
``WATCHDOG=1`` it has to go on: after ``--watchdog`` seconds without, it is ended and started again.
Under systemd, its messages are passed on.

Signal handlers only write to a socket (``signal.set_wakeup_fd``). One loop reads it and acts, so no
signal can come between a check and the act that follows from it.
"""

if __name__ == "__main__":
    from shared.begin import begin

    begin()  # before the imports below, which take a while

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
from shared.console import tell
from shared.notify import BEAT, READY, STOPPING, Notifier
from shared.program import run as run_program
from shared.signals import ending_signals

DESCRIPTION = "Keep a command running: start it again when it ends by itself or hangs."
WRONG_SETTINGS = 2
COMMAND_NOT_FOUND = 127
FIRST_PAUSE_S = 0.2
"""Short enough that a browser hardly notices."""
LONGEST_PAUSE_S = 5.0
"""What a process that dies at once may cost: one start in 5 s."""
STEADY_S = 10.0
"""A process that ran this long was well: its next pause is the first one again."""
STOP_WAIT_S = 4.0
"""What a process may take to stop. honcho kills this one after 5 s, and would leave that behind."""
WATCHDOG_S = 30.0
"""No honest work holds a loop for so long."""
ABORT_WAIT_S = 3.0
"""What a process may take to write the stacks of its threads on SIGABRT."""
PR_SET_PDEATHSIG = 1
"""From linux/prctl.h: the signal to get when the parent dies."""
CREDENTIALS = struct.Struct("3i")
"""Linux's struct ucred."""
SCM_CREDENTIALS = 2
CREDENTIALS_ROOM = socket.CMSG_SPACE(CREDENTIALS.size)
DATAGRAM_BYTES_MAX = 4096
DATAGRAMS_MAX = 100
"""Read at once, so that a command that floods the socket holds up nothing."""


class Keeper:
    """One command, its running process, and whether somebody asked for its end."""

    def __init__(
        self, command: Sequence[str], limit_s: float, signals: socket.socket, notes: "Notes"
    ) -> None:
        self._command = tuple(command)
        self._notes = notes
        self._upstream = Notifier()
        # systemd must not act before this does
        upstream_s = self._upstream.limit_s
        self._limit_s = limit_s if upstream_s is None else min(limit_s, upstream_s / 2)
        self._is_asked_to_stop = False
        self._signals = signals

    def run(self) -> int:
        """Run the command until it is asked to stop or cannot run; return the exit code."""
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
        self._notes.read()  # those of the process before
        try:
            child = _start(self._command, self._notes.environ(self._limit_s))
        except OSError as error:
            self._say(f"cannot be started: {error.strerror}")
            return COMMAND_NOT_FOUND
        code = self._watch(child)
        if self._is_asked_to_stop and code == -signal.SIGTERM:
            return 0  # it ended as it was asked to
        return code if code >= 0 else 128 - code

    def _watch(self, child: subprocess.Popen[bytes]) -> int:
        """Pass on signals, and end a process that hangs, until it has ended; return its code."""
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
        """Wait for a signal or a note, or for the shortest of the limits."""
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
        tell(" ".join(("keep:", *self._command, what)) + "\n")


@contextmanager
def signals_to_read() -> Iterator[socket.socket]:
    """Give a socket from which the number of each signal can be read; none of them ends this."""
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
    """The end of a process: asked for once by each signal, forced when it takes too long."""

    def __init__(self, child: subprocess.Popen[bytes], say: Callable[[str], None]) -> None:
        self._child = child
        self._say = say
        self._asked: set[int] = set()
        self._kill_s: float | None = None
        self._why = ""

    @property
    def is_asked(self) -> bool:
        """Tell whether the process was asked to end."""
        return bool(self._asked)

    def ask(self, signum: int, now_s: float, wait_s: float) -> None:
        """Send ``signum``, once, and give the process ``wait_s`` to end."""
        if signum in self._asked:
            return
        self._asked.add(signum)
        self._child.send_signal(signum)
        self._kill_s = min(now_s + wait_s, self._kill_s or float("inf"))
        self._why = f"did not stop within {wait_s:g} s, killing it"

    def kill_if_late(self, now_s: float) -> None:
        """Kill the process when its time is over."""
        if self._kill_s is not None and now_s >= self._kill_s:
            self._say(self._why)
            self._child.kill()
            self._kill_s = None

    def wait_s(self, now_s: float) -> float | None:
        """Return how much time the process has left, None when it has no limit."""
        return None if self._kill_s is None else max(0.0, self._kill_s - now_s)


class Notes:
    """The socket by which the process says how it is.

    Linux gives it a name that is no file, so that nothing of it is left when this is killed, and
    says with each message whose it is. Elsewhere it is in a folder that only its user can enter.
    """

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self.sockets: list[socket.socket] = []
        try:
            self._open()
        except OSError as error:
            self.close()
            tell(f"keep: no socket, so nothing that hangs is noticed: {error.strerror}\n")

    def _open(self) -> None:
        receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sockets.append(receiver)
        receiver.setblocking(False)
        if sys.platform == "linux":
            receiver.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            receiver.bind("")  # Linux chooses a free name
            self._address = "@" + receiver.getsockname()[1:].decode()
        else:
            self._folder = tempfile.TemporaryDirectory(prefix="keep-")
            self._address = str(Path(self._folder.name, "notify"))
            receiver.bind(self._address)

    def environ(self, limit_s: float) -> dict[str, str]:
        """Return the environment of the process: this socket in the place of systemd's."""
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
        """Take away the socket, and its folder if it has one."""
        for receiver in self.sockets:
            receiver.close()
        self.sockets.clear()
        if self._folder is not None:
            self._folder.cleanup()


def _is_of_this_user(ancillary: Sequence[tuple[int, int, bytes]]) -> bool:
    """Tell whether a message is from this user or root, by its credentials: pid, uid, gid."""
    if sys.platform != "linux":  # the folder has seen to it
        return True
    users = {CREDENTIALS.unpack(data)[1] for _, kind, data in ancillary if kind == SCM_CREDENTIALS}
    return bool(users) and users <= {os.geteuid(), 0}


def next_pause_s(last_s: float, lived_s: float) -> float:
    """Return how long to wait before the next start, in s: doubled each time, up to a limit."""
    if last_s == 0 or lived_s >= STEADY_S:
        return FIRST_PAUSE_S
    return min(2 * last_s, LONGEST_PAUSE_S)


def _start(command: Sequence[str], environ: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start the command in a process group of its own.

    honcho signals the whole group of this process; only so does the command get each signal once.
    """
    return subprocess.Popen(
        command,
        env={**environ, "PYTHONUNBUFFERED": "1"},
        process_group=0,
        preexec_fn=_tied_to_parent(signal.SIGKILL),  # noqa: PLW1509  # no threads here
    )


def _tied_to_parent(signum: int) -> Callable[[], None]:
    """Return a function that has Linux send ``signum`` to its process when the parent dies.

    Elsewhere it does nothing: there a process outlives a parent that was killed by SIGKILL.
    """
    if sys.platform != "linux":
        return lambda: None
    prctl = ctypes.CDLL(None).prctl  # loaded here, before the fork
    return lambda: prctl(PR_SET_PDEATHSIG, signum)


def _take_note(_number: int, _frame: object) -> None:
    """Do nothing: the wake-up socket has the number already."""


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError("must be more than 0")
    return seconds


def main(arguments: Sequence[str]) -> int:
    """Keep a command running; return the exit code."""
    parser = argparse.ArgumentParser("python -m scripts.supervise", description=DESCRIPTION)
    parser.add_argument(
        "--watchdog",
        metavar="SECONDS",
        type=_seconds,
        default=WATCHDOG_S,
        help="restart a command that said WATCHDOG=1, then nothing for so long (%(default)g)",
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")
    options = parser.parse_args(arguments)
    if not options.command:
        parser.error("which command?")
    _tied_to_parent(signal.SIGTERM)()  # a closed terminal ends honcho, but not what it started
    with signals_to_read() as signals, closing(Notes()) as notes:
        return Keeper(options.command, options.watchdog, signals, notes).run()


if __name__ == "__main__":
    run_program(partial(main, sys.argv[1:]))
