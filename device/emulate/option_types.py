"""Types of options that several emulators have; each raises what argparse reports."""

from argparse import ArgumentTypeError

from shared.arguments import SECONDS_MAX, between

LEAST = 0.001
"""A millisecond or a millimetre."""
MTU_RANGE = range(23, 518)


def att_mtu(text: str) -> int:
    """Read the size of an ATT packet."""
    if not text.isdecimal() or int(text) not in MTU_RANGE:
        raise ArgumentTypeError("an ATT MTU is a number from 23 to 517")
    return int(text)


def positive(text: str) -> float:
    """Read a number of seconds or metres."""
    return between(text, LEAST, SECONDS_MAX, "a number")


def share(text: str) -> float:
    """Read how many of the cases, from 0 for none to 1 for all."""
    return between(text, 0, 1, "a share")
