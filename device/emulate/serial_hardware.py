"""``vesc``, ``bafang`` and ``nmea``: the simulator as hardware at a pseudo-terminal."""

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random

from device.emulate import EMULATORS, Emulation, Emulator
from device.emulate.line_faults import add_fault_options, faults_of
from device.emulate.option_types import positive
from device.emulate.pseudo_terminal import PseudoTerminal
from device.emulate.serial_poses import BafangPose, NmeaPose, Pose, Spoken, VescPose
from device.sources.decoders.vesc import Drive

STEP_S = 0.1
"""Of the ride: answers tell the last step."""
WAIT_S = 0.05
"""How long the loop waits for a request before it looks at its plans again."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of serial hardware; ``make`` builds its pose from the options."""

    summary: str
    make: Callable[[Namespace], Pose]
    options: tuple[tuple[str, Callable[[str], float], float, str], ...] = ()


def run(kind: Kind, emulation: Emulation) -> None:
    """Speak until the emulation stops. Raises SourceError if the link cannot be made."""
    terminal = PseudoTerminal(emulation.options.pty)
    print(terminal.path, flush=True)  # noqa: T201  # the program's output
    try:
        Hardware(emulation, kind.make(emulation.options), terminal).run()
    finally:
        with suppress(OSError):
            terminal.unplug()


class Hardware:
    """The loop of an emulator: the ride goes on while the plug is pulled or the line is silent."""

    def __init__(self, emulation: Emulation, pose: Pose, terminal: PseudoTerminal) -> None:
        self._emulation = emulation
        self._options = emulation.options
        self._pose = pose
        self._terminal = terminal
        self._faults = faults_of(emulation.options)
        self._random = Random(emulation.options.seed)
        self._ride = emulation.ride(STEP_S)
        self._sample = next(self._ride)
        self._steps = 0
        self._spoken_s = -pose.interval_s
        self._cuts = 0

    def run(self) -> None:
        start_s = time.monotonic()
        while not self._emulation.stop.is_set():
            at_s = time.monotonic() - start_s
            self._ride_to(at_s)
            if self._options.unplug and at_s > self._options.unplug * (self._cuts + 1):
                self._pull_plug(at_s)
                continue
            data = self._terminal.read(WAIT_S)
            if data:
                self._send(at_s, self._pose.answer(data, self._sample))
            if self._pose.interval_s and at_s >= self._spoken_s + self._pose.interval_s:
                self._spoken_s = at_s
                self._send(at_s, self._pose.speak(at_s, self._sample))

    def _ride_to(self, at_s: float) -> None:
        steps = int(at_s / STEP_S) - self._steps
        for sample in islice(self._ride, max(0, steps)):
            self._sample, self._steps = sample, self._steps + 1

    def _pull_plug(self, at_s: float) -> None:
        """Unplug the port for a while."""
        self._cuts += 1
        self._terminal.unplug()
        self._emulation.truth.tell(at_s, {"fault": "unplugged"})
        self._emulation.stop.wait(self._options.unplugged)
        self._terminal.plug()
        if self._options.pty is None:
            print(self._terminal.path, flush=True)  # noqa: T201  # it is another one

    def _send(self, at_s: float, spoken: list[Spoken]) -> None:
        """Send frames, spoilt as the options say, and write the truth."""
        is_pause = self._options.pause and at_s % self._options.pause > self._options.pause - 3
        for frame, values in spoken:
            data, fault = self._faults.spoil(frame, self._random)
            if is_pause:
                fault = "pause"
            elif not self._terminal.write(data):
                fault = "unread"
            if values:
                self._emulation.truth.tell(at_s, {**values, "fault": fault})


def _add_options(kind: Kind, parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--pty", type=Path, nargs="?", metavar="PATH", help="link PATH to the pseudo-terminal")
    for name, of_type, default, text in kind.options:
        add(name, type=of_type, default=default, help=f"{text} (%(default)s)")
    add_fault_options(parser)
    add("--pause", type=positive, metavar="S", help="be silent for the last 3 of every S seconds")
    add("--unplug", type=positive, metavar="S", help="pull the plug every S seconds")
    add("--unplugged", type=positive, default=2.0, help="how long it stays so (%(default)s)")


WHEEL = ("--wheel", positive, 2.135, "the wheel in m")
KINDS = {
    "vesc": Kind(
        "a VESC motor controller (serial)",
        lambda options: VescPose(Drive(options.wheel, options.pole_pairs, options.gear)),
        (
            WHEEL,
            ("--pole-pairs", int, 23, "the motor's pairs of poles"),
            ("--gear", positive, 1.0, "turns of the motor for one turn of the wheel"),
        ),
    ),
    "bafang": Kind(
        "a Bafang controller (serial)", lambda options: BafangPose(options.wheel), (WHEEL,)
    ),
    "nmea": Kind(
        "a GPS receiver (serial)",
        lambda options: NmeaPose(options.interval),
        (("--interval", positive, 1.0, "seconds between two fixes"),),
    ),
}
for _name, _kind in KINDS.items():
    EMULATORS[_name] = Emulator(_kind.summary, partial(_add_options, _kind), partial(run, _kind))
