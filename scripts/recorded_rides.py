"""Where the recorded rides of the tests are: in a package that is installed, never imported.

They hold a person's position and heart rate, so none of them is copied into the project.
"""

from importlib.util import find_spec
from pathlib import Path

PACKAGE = "sweat"
LONG_RIDE = "4078723797.fit"
"""8,357 points, one a second without a gap, with power and altitude."""

PAUSED_RIDE = "2020-06-01-16-52-40.fit"
"""96 points, with a pause of 32 s."""


def recorded_ride(name: str) -> Path:
    """Find a recorded ride by its file name; raises FileNotFoundError saying what to do."""
    spec = find_spec(PACKAGE)
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or ():
        path = Path(folder, "examples", "data", name)
        if path.is_file():
            return path
    raise FileNotFoundError(f"the recorded ride {name} is missing; scripts/install --dev brings it")
