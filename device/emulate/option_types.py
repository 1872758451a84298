"""Types of options that several emulators have; each raises what argparse reports."""

from argparse import ArgumentTypeError
from math import inf

MTU_RANGE = range(23, 518)


def att_mtu(text: str) -> int:
    """Read the size of an ATT packet."""
    if not text.isdecimal() or int(text) not in MTU_RANGE:
        raise ArgumentTypeError("an ATT MTU is a number from 23 to 517")
    return int(text)


def positive(text: str) -> float:
    """Read a number of seconds or metres."""
    value = _number(text)
    if not 0 < value < inf:
        raise ArgumentTypeError("must be a number greater than 0")
    return value


def share(text: str) -> float:
    """Read how many of the cases, from 0 for none to 1 for all."""
    value = _number(text)
    if not 0 <= value <= 1:
        raise ArgumentTypeError("must be a share from 0 to 1")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return -1.0
