"""How long faults last: short among all tests, at full length in ``scripts/faults --named``."""

import os
from typing import TypeVar

IS_FULL = os.environ.get("FAULTS_AT_FULL_LENGTH") == "1"
"""Not named SPOKE_…: the product refuses settings it does not know."""

Length = TypeVar("Length", int, float)


def lasting(short: Length, full: Length) -> Length:
    """Give the length that this run is for."""
    return full if IS_FULL else short
