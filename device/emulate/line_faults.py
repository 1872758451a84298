"""Faults of bytes on a bad serial line, as options of the emulators and in tests."""

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from random import Random

from device.emulate.option_types import share

NOISE_BYTES_MAX = 8


@dataclass(frozen=True, slots=True)
class LineFaults:
    """The shares of frames, from 0 to 1, that get each fault; a frame gets one at most."""

    noise: float = 0.0
    truncated: float = 0.0
    wrong_bit: float = 0.0

    def spoil(self, frame: bytes, random: Random) -> tuple[bytes, str | None]:
        """Return the bytes that arrive for a frame, and the name of its fault."""
        drawn = random.random()
        if drawn < self.noise:
            noise = random.randbytes(random.randint(1, NOISE_BYTES_MAX))
            return (noise + frame if random.random() < 0.5 else frame + noise), "noise"  # noqa: PLR2004  # a coin
        if drawn < self.noise + self.truncated:
            return frame[: random.randrange(1, len(frame))], "truncated"
        if drawn < self.noise + self.truncated + self.wrong_bit:
            spoilt = bytearray(frame)
            spoilt[random.randrange(len(frame))] ^= 1 << random.randrange(8)
            return bytes(spoilt), "wrong_bit"
        return frame, None


def add_fault_options(parser: ArgumentParser) -> None:
    """Add the options that :func:`faults_of` reads."""
    add = parser.add_argument
    add("--noise", type=share, default=0.0, help="the share of frames with noise beside them")
    add("--truncated", type=share, default=0.0, help="the share of frames that are cut off")
    add(
        "--wrong-bit",
        type=share,
        default=0.0,
        help="the share of frames with a wrong bit, so that the checksum is wrong",
    )


def faults_of(options: Namespace) -> LineFaults:
    return LineFaults(options.noise, options.truncated, options.wrong_bit)
