"""Find the recorded rides for tests in the files of an installed package, without importing it.

The rides contain the position and heart rate of a person, so the project does not copy them.
"""

from importlib.util import find_spec
from pathlib import Path

PACKAGE = "sweat"
LONG_RIDE = "4078723797.fit"
"""8,357 points, one a second without a gap, with power and altitude."""

PAUSED_RIDE = "2020-06-01-16-52-40.fit"
"""96 points, with a pause of 32 s."""


def recorded_ride(name: str) -> Path:
    """Find a recorded ride by its file name. Raises FileNotFoundError with advice."""
    spec = find_spec(PACKAGE)
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or ():
        path = Path(folder, "examples", "data", name)
        if path.is_file():
            return path
    raise FileNotFoundError(f"the recorded ride {name} is missing; run scripts/install --dev")
