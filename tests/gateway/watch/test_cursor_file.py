from pathlib import Path

import pytest

from gateway.watch.cursor_file import BadCursorFile, read_cursors, write_cursors
from shared.cursor import Cursor


def test_written_cursors_are_read(tmp_path: Path) -> None:
    cursors = {"ebike-001": Cursor(1_700_000_000_000, 7), "ebike-002": Cursor(0, 0)}
    write_cursors(tmp_path / "cursors.json", cursors)
    assert read_cursors(tmp_path / "cursors.json") == cursors
    assert [path.name for path in tmp_path.iterdir()] == ["cursors.json"]


def test_missing_file_is_none(tmp_path: Path) -> None:
    assert read_cursors(tmp_path / "cursors.json") is None


@pytest.mark.parametrize(
    "text", ["", "{", "7", "[]x", '["1-2"]', '{"a": 7}', '{"a": "1"}', '{"a": "1-2", "b": "01-2"}']
)
def test_foreign_file_is_refused_unchanged(tmp_path: Path, text: str) -> None:
    file = tmp_path / "cursors.json"
    file.write_text(text)
    with pytest.raises(BadCursorFile, match=r"cursors\.json"):
        read_cursors(file)
    assert file.read_text() == text


def test_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadCursorFile, match="cannot be written"):
        write_cursors(tmp_path / "no" / "cursors.json", {})
