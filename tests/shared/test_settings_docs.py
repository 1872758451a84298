"""Every setting is explained: in ``docs/settings.md``, in ``.env.example`` and by ``--help``."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from shared.errors import SettingsError
from shared.setting_table import BOTH, SETTINGS, Setting
from shared.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
NONE = "\N{EN DASH}"
SUMMARY_CHARS_MIN = 10

by_name = pytest.mark.parametrize("setting", SETTINGS.values(), ids=lambda setting: setting.name)


class Row(NamedTuple):
    """A row of the table in ``docs/settings.md``."""

    name: str
    default: str
    read_by: str
    meaning: str
    example: str


class Entry(NamedTuple):
    """A setting in ``.env.example``: the comment above it, and its line without the ``#``."""

    comment: str
    text: str


ROWS = {
    cells[0].strip("`"): Row(cells[0].strip("`"), *cells[1:])
    for line in PAGE.splitlines()
    if line.startswith("| `SPOKE_")
    for cells in [[cell.strip() for cell in line.strip("|").split(" | ")]]
}
ENTRIES = {
    match[2]: Entry(match[1], match[3])
    for match in re.finditer(r"((?:^# .*\n)+)^#(SPOKE_\w+)=(.*)$", EXAMPLE, re.MULTILINE)
}


@by_name
def test_setting_has_documentation_row(setting: Setting) -> None:
    row = ROWS[setting.name]
    assert row.read_by == ("both" if setting.roles == BOTH else setting.roles[0])
    assert len(row.meaning) > SUMMARY_CHARS_MIN
    assert row.meaning.startswith("list: ") == setting.many


@by_name
def test_the_documentation_says_the_default(setting: Setting) -> None:
    shown = NONE if setting.default is None else f"`{setting.default}`"
    role = f"{setting.default_for[0]}: " if setting.default_for != BOTH else ""
    assert ROWS[setting.name].default == role + shown


@by_name
def test_the_documentations_example_works(setting: Setting, tmp_path: Path) -> None:
    assert _trouble(setting, ROWS[setting.name].example.strip("`"), tmp_path) is None


@by_name
def test_setting_is_in_example_file(setting: Setting) -> None:
    entry = ENTRIES[setting.name]
    assert len(entry.comment) > SUMMARY_CHARS_MIN
    if "(default)" in entry.comment:
        assert entry.text == setting.default


@by_name
def test_example_line_is_valid(setting: Setting, tmp_path: Path) -> None:
    assert _trouble(setting, ENTRIES[setting.name].text, tmp_path) is None


@by_name
def test_a_setting_is_explained_by_help(setting: Setting) -> None:
    assert len(setting.help) > SUMMARY_CHARS_MIN


def test_the_documentation_knows_no_other_settings() -> None:
    documented = [*ROWS, *re.findall(r"^#?(SPOKE_\w+)=", EXAMPLE, re.MULTILINE)]
    assert set(documented) == set(SETTINGS)


def test_example_file_sets_nothing() -> None:
    assert all(line.startswith("#") for line in EXAMPLE.splitlines() if line)


def _trouble(setting: Setting, text: str, folder: Path) -> str | None:
    """Return the error for a text, or None."""
    (folder / ".env").write_text(f"{setting.name}={text}\n", encoding="utf-8")
    (folder / "configs").mkdir()
    (folder / "configs/production.env").touch()
    (folder / "configs/development.env").touch()
    try:
        load_settings(setting.roles[0], [], {}, folder)
    except SettingsError as error:
        return str(error)
    return None
