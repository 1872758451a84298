"""Save cursors in a file, so that the next run continues where this one ended."""

import json
from collections.abc import Mapping
from pathlib import Path

from shared.cursor import Cursor, parse_cursor


class BadCursorFile(Exception):
    """The file of cursors cannot be read or written; the text says why."""


def read_cursors(path: Path) -> dict[str, Cursor] | None:
    """Return the cursors in a file by bike; None when the file does not exist yet."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BadCursorFile(f"{path} cannot be read: {error}") from error
    entries = raw.items() if isinstance(raw, dict) else [("", None)]
    good = {name: cursor for name, text in entries if (cursor := parse_cursor(text)) is not None}
    if len(good) < len(entries):
        raise BadCursorFile(f'{path} must hold cursors by bike, such as {{"ebike-001": "1722-5"}}')
    return good


def write_cursors(path: Path, cursors: Mapping[str, Cursor]) -> None:
    """Replace the file atomically: a reader finds either all old or all new cursors."""
    text = json.dumps({name: str(cursor) for name, cursor in cursors.items()}, indent=1)
    new = path.with_name(f"{path.name}.new")
    try:
        new.write_text(f"{text}\n", encoding="utf-8")
        new.replace(path)
    except OSError as error:
        raise BadCursorFile(f"{path} cannot be written: {error}") from error
