"""The types of options on the command line."""

from argparse import ArgumentTypeError

import pytest

from shared.arguments import seconds


@pytest.mark.parametrize(
    ("text", "value"), [("0", 0), ("0.5", 0.5), ("10", 10.0), ("31622400", 31_622_400.0)]
)
def test_seconds(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "1e300", "31622401", "abc", ""])
def test_no_seconds(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="must be seconds from 0 to 31,622,400"):
        seconds(text)
