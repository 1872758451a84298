"""What the Dockerfile says, for the tests: what it copies, and the environment it sets."""

import re
import shlex
from typing import NamedTuple

from tests.processes import ROOT

LINES = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()


class Copy(NamedTuple):
    """A COPY: the stage it copies from (none: this folder), and what it copies."""

    stage: str | None
    sources: list[str]


def copies() -> list[Copy]:
    """Return every COPY."""
    found = []
    for text in arguments("COPY"):
        words = shlex.split(text)
        options = dict(word[2:].split("=") for word in words if word.startswith("--"))
        paths = [word for word in words if not word.startswith("--")]
        found.append(Copy(options.get("from"), paths[:-1]))
    return found


def environment() -> dict[str, str]:
    """Return the variables that the image sets."""
    words = [word for text in arguments("ENV") for word in shlex.split(text)]
    return dict(word.split("=", 1) for word in words)


def arguments(instruction: str) -> list[str]:
    """Return what stands behind an instruction, for each of its lines."""
    matches = (re.match(rf"\s*{instruction}\s+(.*)", line) for line in LINES)
    return [match[1] for match in matches if match]
