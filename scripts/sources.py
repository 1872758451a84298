"""Find the project's shell scripts and JavaScript files."""

from collections.abc import Iterator
from pathlib import Path

SHELL_STARTS = (b"#!/bin/sh", b"#!/usr/bin/env bash", b"# shellcheck shell=")
JAVASCRIPT_ENDS = (".js", ".mjs")
JAVASCRIPT_FOLDERS = ("gateway/static", "scripts", "tests", "examples")
THIRD_PARTY = {"vendor", "node_modules", "dist"}


def shell_scripts(root: Path) -> list[str]:
    """Return the shell scripts in ``scripts`` and ``.ci``, recognised by their first line."""
    files = [file for folder in ("scripts", ".ci") for file in _files(root / folder)]
    return [str(file) for file in files if file.read_bytes().startswith(SHELL_STARTS)]


def javascript_files(root: Path) -> list[str]:
    """Return the project's JavaScript files, without third-party libraries."""
    files = [file for folder in JAVASCRIPT_FOLDERS for file in _files(root / folder)]
    return [
        str(file)
        for file in files
        if file.suffix in JAVASCRIPT_ENDS and THIRD_PARTY.isdisjoint(file.relative_to(root).parts)
    ]


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())
