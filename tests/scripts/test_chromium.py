"""Where Chromium is looked for."""

import shutil
from pathlib import Path

import pytest

from scripts import chromium
from scripts.chromium import ChromiumMissing, find_chromium, get_chromium
from tests.scripts.programs import add_program


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is all of PATH, on a machine without programs elsewhere."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setattr(chromium, "MAC_PLACES", ())
    return tmp_path


@pytest.mark.parametrize("name", ["chromium", "chromium-browser", "google-chrome"])
def test_found_under_any_name(programs: Path, name: str) -> None:
    program = add_program(programs, name)
    assert get_chromium() == program


def test_the_one_that_is_named_goes_first(programs: Path) -> None:
    add_program(programs, "chromium")
    mine = add_program(programs, "mine")
    assert find_chromium({"PATH": str(programs), "CHROMIUM": mine}) == mine


def test_named_program_is_missing(programs: Path) -> None:
    add_program(programs, "chromium")
    with pytest.raises(ChromiumMissing, match="CHROMIUM is /nowhere, which is not a program"):
        find_chromium({"PATH": str(programs), "CHROMIUM": "/nowhere"})


def test_without_apt_get_the_command_is_named(programs: Path) -> None:
    with pytest.raises(ChromiumMissing, match="sudo apt-get install chromium"):
        get_chromium()


def test_without_a_network_the_command_is_named(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    add_program(programs, "apt-get", "exit 100")
    with pytest.raises(ChromiumMissing, match="apt-get update failed, so Chromium is missing"):
        get_chromium()


def test_root_installs_it(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    copy = f"{shutil.which('cp', path='/usr/bin:/bin')} {programs}/apt-get {programs}/chromium"
    add_program(programs, "apt-get", f'[ "$2" = update ] || {copy}')
    assert get_chromium() == str(programs / "chromium")


def test_install_with_sudo(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    copy = f"{shutil.which('cp', path='/usr/bin:/bin')} {programs}/apt-get {programs}/chromium"
    add_program(programs, "apt-get", f'[ "$2" = update ] || {copy}')
    with pytest.raises(ChromiumMissing, match="sudo apt-get install chromium"):
        get_chromium()
    add_program(programs, "true")
    add_program(programs, "sudo", 'shift\nexec "$@"')
    assert get_chromium() == str(programs / "chromium")
