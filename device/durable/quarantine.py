"""Moves a damaged journal out of the way, for somebody to look at later."""

import re
from contextlib import suppress
from pathlib import Path

DAMAGED_MAX = 3
"""Older ones are deleted, so that a failing disk does not fill up with them."""
LOG_SUFFIX, INDEX_SUFFIX = "-wal", "-shm"
"""SQLite's own files beside a database; it finds the log by this name."""


def quarantine(path: Path) -> Path:
    """Rename a journal and its log to ``<name>.damaged-<n>``; returns the new path."""
    numbers = _numbers(path)
    number = max(numbers, default=0) + 1
    target = _numbered(path, number)
    for suffix in (LOG_SUFFIX, ""):
        with suppress(FileNotFoundError):
            _with(path, suffix).replace(_with(target, suffix))
    _with(path, INDEX_SUFFIX).unlink(missing_ok=True)
    for old in numbers:
        if old <= number - DAMAGED_MAX:
            for suffix in (LOG_SUFFIX, ""):
                _with(_numbered(path, old), suffix).unlink(missing_ok=True)
    return target


def _with(path: Path, suffix: str) -> Path:
    return path.with_name(f"{path.name}{suffix}")


def _numbered(path: Path, number: int) -> Path:
    return _with(path, f".damaged-{number}")


def _numbers(path: Path) -> list[int]:
    pattern = re.compile(re.escape(path.name) + r"\.damaged-([0-9]{1,9})")
    names = (entry.name for entry in path.parent.iterdir())
    return [int(match[1]) for name in names if (match := pattern.fullmatch(name))]
