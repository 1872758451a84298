"""What scripts/install makes, what it leaves alone, and what it says when something is missing."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.scripts.conftest import LOCK, PACKAGE, ProjectCopy

ALL_THERE = "install: everything is installed\n"
MADE_ANEW = (
    "install: making .venv again: it was moved, or its Python is missing\n"
    "install: making .venv with Python 3."
)
NOWHERE = "http://127.0.0.1:9/"
"""An address where nothing answers, in place of a package index."""
NO_NETWORK = {
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_INDEX_URL": NOWHERE,
    "PIP_EXTRA_INDEX_URL": None,
    "PIP_FIND_LINKS": None,
    "PIP_RETRIES": "1",
    "npm_config_registry": NOWHERE,
    "npm_config_fetch_retries": "0",
}
TOOLS = ("basename", "cat", "cksum", "dirname", "grep", "ln", "rm", "sh", "tail")
"""All that the script may need of a machine beside Python."""

PYTHON_OF_YESTERDAY = "import sys; sys.version_info = (3, 10, 4); exec(sys.argv[1])"
PYTHON_WITHOUT_VENV = "import sys; sys.modules['ensurepip'] = None; exec(sys.argv[1])"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder for PATH that holds the basic tools and nothing else."""
    folder = tmp_path / "machine"
    folder.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None, tool
        (folder / tool).symlink_to(found)
    return folder


def add_python(machine: Path, name: str, code: str) -> None:
    """Add a Python that runs ``code`` with what it is asked to run as its first argument."""
    script = machine / name
    script.write_text(f'#!/bin/sh\nshift\nexec \'{sys.executable}\' -c "{code}" "$1"\n')
    script.chmod(0o755)


def add_python_that_makes_no_venv(machine: Path, name: str) -> None:
    """Add a Python that is right in all else."""
    script = machine / name
    script.write_text(f'#!/bin/sh\n[ "$1" != -m ] || exit 1\nexec \'{sys.executable}\' "$@"\n')
    script.chmod(0o755)


def test_only_what_changed_is_installed_again(project: ProjectCopy) -> None:
    first = project.run("scripts/install")
    assert first.returncode == 0, first.stdout
    assert "install: installing the Python packages\n" in first.stdout
    assert "install: installing the browser libraries with npm " in first.stdout
    assert project.run("scripts/install").stdout == ALL_THERE

    project.write("requirements.txt", "# changed\n")
    done = project.run("scripts/install")
    assert done.stdout == f"install: installing the Python packages\n{ALL_THERE}"

    project.write("package.json", PACKAGE.replace("1.0.0", "1.0.1"))
    project.write("package-lock.json", LOCK.replace("1.0.0", "1.0.1"))
    done = project.run("scripts/install")
    assert "installing the browser libraries" in done.stdout
    assert "Python packages" not in done.stdout


def test_dev_install_covers_runtime(project: ProjectCopy) -> None:
    done = project.run("scripts/install", "--dev")
    assert done.returncode == 0, done.stdout
    assert "installing the Python packages, including those of the tests" in done.stdout
    assert project.run("scripts/install").stdout == ALL_THERE
    assert project.run("scripts/install", "--dev").stdout == ALL_THERE


def test_moved_project_gets_new_venv(bare_project: ProjectCopy, machine: Path) -> None:
    bare_project.lend_packages(made_by_install=True)
    assert "making .venv" not in bare_project.run("scripts/install").stdout
    moved = ProjectCopy(bare_project.folder.rename(bare_project.folder.with_name("moved here")))
    add_python_that_makes_no_venv(machine, "python3")
    done = moved.run("scripts/install", PATH=str(machine), PYTHON=None)
    assert done.stdout.startswith(MADE_ANEW)


def test_venv_without_python_is_remade(project: ProjectCopy, machine: Path) -> None:
    (project.folder / ".venv/bin/python").unlink()
    add_python_that_makes_no_venv(machine, "python3")
    done = project.run("scripts/install", PATH=str(machine), PYTHON=None)
    assert done.stdout.startswith(MADE_ANEW)


def test_old_python_is_refused(bare_project: ProjectCopy, machine: Path) -> None:
    add_python(machine, "python3", PYTHON_OF_YESTERDAY)
    done = bare_project.run("scripts/install", PATH=str(machine), PYTHON=None)
    assert done.returncode == 2
    assert done.stdout == (
        "install: Spoke needs Python 3.11 or newer, and only older versions were found"
        " (tried python3)\n"
    )


def test_python_without_venv_gets_advice(bare_project: ProjectCopy, machine: Path) -> None:
    add_python(machine, "python3", PYTHON_WITHOUT_VENV)
    done = bare_project.run("scripts/install", PATH=str(machine), PYTHON=None)
    assert done.returncode == 2
    assert done.stdout.startswith("install: python3 cannot make virtual environments")
    assert "apt-get install python3-venv" in done.stdout
    assert done.stdout.count("\n") == 1


def test_no_python_at_all_is_said(bare_project: ProjectCopy, machine: Path) -> None:
    done = bare_project.run("scripts/install", PATH=str(machine), PYTHON=None)
    assert done.returncode == 2
    assert done.stdout.startswith("install: Spoke needs Python 3.11 or newer, and none was found")
    assert not (bare_project.folder / ".venv").exists()


def test_newer_python_is_preferred(bare_project: ProjectCopy, machine: Path) -> None:
    add_python(machine, "python3", PYTHON_OF_YESTERDAY)
    add_python_that_makes_no_venv(machine, "python3.13")
    done = bare_project.run("scripts/install", PATH=str(machine), PYTHON=None)
    assert done.stdout.startswith("install: making .venv with Python 3.")


def test_failed_venv_is_removed(bare_project: ProjectCopy, machine: Path) -> None:
    add_python_that_makes_no_venv(machine, "python3")
    done = bare_project.run("scripts/install", PATH=str(machine), PYTHON=None)
    assert done.returncode == 2
    assert done.stdout.endswith("install: python3 could not make .venv\n")
    assert not (bare_project.folder / ".venv").exists()


def test_no_network_is_said(project: ProjectCopy) -> None:
    project.write("requirements.txt", "no-such-package\n")
    done = project.run("scripts/install", **NO_NETWORK)
    assert done.returncode == 2
    assert "install: pip reached no package index: is this machine online?" in done.stdout


def test_unknown_package_is_named(project: ProjectCopy) -> None:
    project.write("requirements.txt", "no-such-package\n")
    done = project.run("scripts/install", **NO_NETWORK | {"PIP_NO_INDEX": "1"})
    assert done.returncode == 2
    assert "install: pip failed: ERROR: No matching distribution found" in done.stdout


def require_a_library(project: ProjectCopy) -> None:
    """Have the project need a library from the network."""
    library = '"node_modules/uplot": {"version": "1.6.32"}'
    wanted = '"dependencies": {"uplot": "1.6.32"}'
    project.write("package.json", PACKAGE.replace('"scripts"', f'{wanted}, "scripts"'))
    project.write("package-lock.json", LOCK.replace('"": {}', f'"": {{{wanted}}}, {library}'))


def test_runs_without_browser_libraries(project: ProjectCopy, tmp_path: Path) -> None:
    require_a_library(project)
    done = project.run("scripts/install", **NO_NETWORK, npm_config_cache=str(tmp_path))
    assert done.returncode == 0
    assert "install: npm reached no package index" in done.stdout
    assert "run scripts/install again when the problem is solved" in done.stdout


def test_without_browser_libraries_there_are_no_tests(project: ProjectCopy, tmp_path: Path) -> None:
    require_a_library(project)
    done = project.run("scripts/install", "--dev", **NO_NETWORK, npm_config_cache=str(tmp_path))
    assert done.returncode == 2
    assert "the tests need the browser libraries" in done.stdout


def test_node_from_python_index(project: ProjectCopy, machine: Path) -> None:
    # reinstalling, because the packages lent to the copy may hold Node.js already
    settings = {**NO_NETWORK, "PATH": str(machine), "PIP_FORCE_REINSTALL": "1"}
    done = project.run("scripts/install", **settings)
    assert "install: installing Node.js into .venv: it is missing here" in done.stdout
    assert "install: pip reached no package index" in done.stdout
    assert done.returncode == 0


def test_an_unknown_option_is_named(project: ProjectCopy) -> None:
    done = project.run("scripts/install", "--fast")
    assert (done.returncode, done.stdout) == (
        2,
        "install: unknown option '--fast'; the only option is --dev\n",
    )
