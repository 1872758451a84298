"""Where the programs of the tests are looked for, and how their packages are installed."""

import shutil
from pathlib import Path

import pytest

from scripts import debian
from scripts.debian import InstallFailed, find_program, install, missing_packages
from tests.scripts.programs import add_program


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is all of PATH, on a machine with all headers and without servers."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(debian, "SYSTEM_FOLDERS", str(tmp_path / "sbin"))
    monkeypatch.setattr(debian, "INCLUDE_FOLDERS", (tmp_path / "include",))
    (tmp_path / "sbin").mkdir()
    for header in debian.HEADERS:
        path = tmp_path / "include" / header
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def test_found_outside_of_path(programs: Path) -> None:
    path = add_program(programs / "sbin", "nginx")
    assert find_program("nginx") == path


def test_packages_of_what_is_missing(programs: Path) -> None:
    for name in set(debian.SERVERS) - {"nginx"}:
        add_program(programs, name)
    assert missing_packages() == ["nginx"]


def test_packages_of_missing_headers(programs: Path) -> None:
    for name in debian.SERVERS:
        add_program(programs, name)
    (programs / "include" / "zmq.h").unlink()
    assert missing_packages() == ["libzmq3-dev"]


def test_only_root_installs(programs: Path) -> None:
    with pytest.raises(InstallFailed, match="apt-get cannot be run as root"):
        install(["nginx"])


def test_failure_names_the_step(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    add_program(programs, "apt-get", '[ "$2" = update ]')
    with pytest.raises(InstallFailed, match="apt-get install failed"):
        install(["nginx"])


def test_packages_are_passed_on(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    copy = f"{shutil.which('cp', path='/usr/bin:/bin')} {programs}/apt-get {programs}/$5"
    add_program(programs, "apt-get", f'[ "$2" = update ] || {copy}')
    install(["nginx"])
    assert find_program("nginx") == str(programs / "nginx")
