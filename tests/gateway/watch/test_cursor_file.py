from pathlib import Path

import pytest

from gateway.watch.cursor_file import BadPlaces, read_places, write_places
from shared.cursor import Cursor


def test_what_is_written_is_read(tmp_path: Path) -> None:
    places = {"ebike-001": Cursor(1_700_000_000_000, 7), "ebike-002": Cursor(0, 0)}
    write_places(tmp_path / "places.json", places)
    assert read_places(tmp_path / "places.json") == places
    assert [path.name for path in tmp_path.iterdir()] == ["places.json"]


def test_a_file_that_is_not_there_yet_says_nothing(tmp_path: Path) -> None:
    assert read_places(tmp_path / "places.json") is None


@pytest.mark.parametrize(
    "text", ["", "{", "7", "[]x", '["1-2"]', '{"a": 7}', '{"a": "1"}', '{"a": "1-2", "b": "01-2"}']
)
def test_a_file_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path, text: str) -> None:
    file = tmp_path / "places.json"
    file.write_text(text)
    with pytest.raises(BadPlaces, match=r"places\.json"):
        read_places(file)
    assert file.read_text() == text


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadPlaces, match="cannot be written"):
        write_places(tmp_path / "no" / "places.json", {})
