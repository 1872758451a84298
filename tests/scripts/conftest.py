"""A copy of the project in a folder with spaces, whose Python packages are those of the tests."""

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.processes import ROOT, clean_environment

COPIED = ("configs", "device", "gateway", "scripts", "shared", "Procfile", ".npmrc")
VENDOR_STUB = """
import { mkdirSync } from "node:fs";
mkdirSync("gateway/static/vendor", { recursive: true });
"""
PACKAGE = '{"name": "copy", "version": "1.0.0", "lockfileVersion": 3, "packages": {"": {}}}'
NOT_COPIED = shutil.ignore_patterns("__pycache__", "vendor")


@dataclass(frozen=True)
class ProjectCopy:
    """The project in another folder; it requires no packages, so installing needs no network."""

    folder: Path

    def run(
        self, *command: str | Path, **environ: str | None
    ) -> subprocess.CompletedProcess[str]:
        """Run one of its scripts from somewhere else and return what it printed."""
        return subprocess.run(
            [self.folder / command[0], *command[1:]],
            cwd="/",
            env=clean_environment({"PYTHONPATH": None, "PYTHON": sys.executable, **environ}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def write(self, name: str, text: str) -> Path:
        """Write one of its files."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


@pytest.fixture
def project(tmp_path: Path) -> ProjectCopy:
    """A copy without .venv: installing makes one, with nothing in it."""
    copy = ProjectCopy(tmp_path / "a folder with spaces")
    copy.folder.mkdir()
    for name in COPIED:
        _copy(ROOT / name, copy.folder / name)
    copy.write("requirements.txt", "# nothing\n")
    copy.write("package.json", PACKAGE)
    copy.write("package-lock.json", PACKAGE)
    copy.write("scripts/vendor.mjs", VENDOR_STUB)
    return copy
