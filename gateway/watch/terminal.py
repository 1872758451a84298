"""Find out whether the user's terminal can show a table, and prepare it."""

import codecs
import os
import sys

from rich.console import Console

from gateway.watch.view import BARS

LOOK_ALIKES = dict(zip(BARS, "_.-:=+*#", strict=True)) | {
    "●": "*",
    "○": "o",
    "█": "#",
    "░": ".",
    "…": "~",
}
"""ASCII substitutes of the same width, for terminals whose encoding lacks these characters."""
LOOK_ALIKE = "look_alike"


def write_look_alike(error: UnicodeError) -> tuple[str, int]:
    """Replace characters that an encoding lacks; a handler of encoding errors for ``codecs``."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(LOOK_ALIKES.get(character, "?") for character in lacking), error.end


codecs.register_error(LOOK_ALIKE, write_look_alike)


def why_no_table(console: Console) -> str | None:
    """Return why this terminal cannot show a table; None when it can."""
    term = os.environ.get("TERM", "")
    if not console.is_interactive:
        return (
            f"TERM={term}" if console.is_dumb_terminal else "TTY_INTERACTIVE or the like forbids it"
        )
    return None if term else "TERM is not set"


def open_console() -> Console:
    """Prepare stdout for a table."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors=LOOK_ALIKE)
    return Console()
