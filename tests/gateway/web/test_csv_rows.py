"""Rows of CSV: every key has a cell, and no cell is a formula, however the file is split."""

import csv
import io
import json
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.web.csv_rows import CSV_KEYS, TIME_KEY, csv_row
from shared.reading import READING_KEYS, Reading
from shared.wire import encode_reading

FORMULA_SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20"
PASSED_OVER = " \t\r\n\x0b\x0c\x85\xa0\u2028\u2029\u3000\"'"
texts = st.text(st.sampled_from(FORMULA_SIGNS + PASSED_OVER + ",;:|\\aZ1_"), max_size=64)


def test_row_has_cell_for_each_key() -> None:
    row = csv_row(b'{"v":1,"device_id":"a","seq":3,"ts_ms":1,"extra":{"n":"\xc3\xa4"}}')
    given = {"v": 1, "device_id": "a", "seq": 3, "ts_ms": 1, "extra": '{"n": "ä"}'}
    assert dict(zip(CSV_KEYS, row, strict=True)) == dict.fromkeys(READING_KEYS, "") | given


def test_time_after_year_9999_is_empty() -> None:
    last_ms = 253402300799999
    rows = [csv_row(b'{"ts_ms":%d}' % ts_ms, [TIME_KEY]) for ts_ms in (1, last_ms, last_ms + 1)]
    assert rows == [["1970-01-01T00:00:00.001Z"], ["9999-12-31T23:59:59.999Z"], [""]]


def file_of(extra: dict[str, Any]) -> str:
    reading = Reading("a", 1, 1, 1, 20.0, {"altitude_m": -1.5, "extra": extra})
    text = io.StringIO()
    csv.writer(text).writerow(csv_row(encode_reading(reading)))
    return text.getvalue()


def is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def formulas(text: str, separator: str, quoting: Literal[0, 3]) -> list[str]:
    """List the cells that a spreadsheet may run."""
    rows = csv.reader(text.splitlines(), delimiter=separator, quoting=quoting)
    cells = [cell.lstrip(PASSED_OVER) for row in rows for cell in row]
    return [cell for cell in cells if cell[:1] in FORMULA_SIGNS and cell and not is_number(cell)]


@given(texts, texts)
def test_no_text_becomes_a_formula(one: str, other: str) -> None:
    extra = {"one": one, "other": other, "n": -1.5}
    text = file_of(extra)
    assert len(text.splitlines()) == 1
    for separator in ",;\t|":
        assert formulas(text, separator, csv.QUOTE_MINIMAL) == []
        assert formulas(text, separator, csv.QUOTE_NONE) == []
    [row] = csv.reader(io.StringIO(text, newline=""))
    assert json.loads(row[CSV_KEYS.index("extra")]) == extra
    assert row[CSV_KEYS.index("altitude_m")] == "-1.5"


@pytest.mark.parametrize("text", ["e-bike", "a=b", "me@home", "ä+"])
def test_text_that_is_no_formula_stays_readable(text: str) -> None:
    assert f'""{text}""' in file_of({"n": text})
