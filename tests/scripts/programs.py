"""Programs of a test's own."""

from pathlib import Path


def add_program(folder: Path, name: str, code: str = "") -> str:
    """Write a shell script that anybody may run, and return its path."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{code}\n")
    path.chmod(0o755)
    return str(path)
