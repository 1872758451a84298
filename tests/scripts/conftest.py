"""A copy of the project in a folder with spaces, for tests of the scripts that set it up."""

import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.processes import ROOT, clean_environment

COPIED = ("configs", "device", "gateway", "scripts", "shared", "Procfile", ".npmrc")
NOT_COPIED = shutil.ignore_patterns("__pycache__", "vendor")
PACKAGE = '{"name": "copy", "version": "1.0.0", "scripts": {"vendor": "node scripts/vendor.mjs"}}'
LOCK = '{"name": "copy", "version": "1.0.0", "lockfileVersion": 3, "packages": {"": {}}}'
VENDOR_STUB = """
import { mkdirSync } from "node:fs";
mkdirSync("node_modules", { recursive: true });
mkdirSync("gateway/static/vendor", { recursive: true });
"""


@dataclass(frozen=True)
class ProjectCopy:
    """The project in another folder; it requires no packages, so installing needs no network."""

    folder: Path

    def run(self, *command: str, **environ: str | None) -> subprocess.CompletedProcess[str]:
        """Run one of its scripts from another folder; what it prints is in ``stdout``."""
        return subprocess.run(
            [self.folder / command[0], *command[1:]],
            cwd="/",
            env=self.environment(**environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def environment(self, **changes: str | None) -> dict[str, str]:
        """Return an environment in which it finds the Python of the tests and nothing of them."""
        return clean_environment({"PYTHONPATH": None, "PYTHON": sys.executable, **changes})

    def write(self, name: str, text: str) -> None:
        """Write one of its files."""
        (self.folder / name).write_text(text)

    def lend_packages(self, *, made_by_install: bool = False) -> None:
        """Give it a .venv in which the packages of the tests are found, pip among them."""
        venv = self.folder / ".venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
        packages = next(venv.glob("lib/python*/site-packages"))
        (packages / "lent.pth").write_text(sysconfig.get_path("purelib"))
        if made_by_install:
            (venv / ".place").write_text(str(venv))


@pytest.fixture
def bare_project(tmp_path: Path) -> ProjectCopy:
    """A copy as it is after cloning: no .venv, no libraries."""
    return copy_project(tmp_path / "a folder with spaces")


@pytest.fixture
def project(bare_project: ProjectCopy) -> ProjectCopy:
    """A copy with a .venv that has everything already."""
    bare_project.lend_packages()
    return bare_project


@pytest.fixture(scope="module")
def installed_project(tmp_path_factory: pytest.TempPathFactory) -> ProjectCopy:
    """A copy in which nothing is left to install; its tests leave it as it is."""
    copy = copy_project(tmp_path_factory.mktemp("installed") / "a folder with spaces")
    copy.lend_packages()
    copy.run("scripts/install")
    return copy


def copy_project(folder: Path) -> ProjectCopy:
    """Copy what the scripts need, with nothing required from the network."""
    copy = ProjectCopy(folder)
    folder.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=NOT_COPIED)
        else:
            shutil.copy(source, folder)
    for name in ("requirements.txt", "requirements-dev.txt"):
        copy.write(name, "# nothing\n")
    copy.write("package.json", PACKAGE)
    copy.write("package-lock.json", LOCK)
    copy.write("scripts/vendor.mjs", VENDOR_STUB)
    return copy
