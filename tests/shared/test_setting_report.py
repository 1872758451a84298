"""The report of ``--check`` shows no secret."""

from pathlib import Path

import pytest

from shared.setting_report import hide_password, report
from shared.settings import load_with_places


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://user:secret@host:6379/0", "redis://***@host:6379/0"),
        ("redis://:secret@host", "redis://***@host"),
        ("rediss://a:b@one,rediss://c:d@two", "rediss://***@one,rediss://***@two"),
        ("tcp://127.0.0.1:5556", "tcp://127.0.0.1:5556"),
        ("https://host/@path", "https://host/@path"),
    ],
)
def test_passwords_in_urls_are_hidden(text: str, shown: str) -> None:
    assert hide_password(text) == shown


def test_ignored_names_and_plan_are_in_the_report(tmp_path: Path) -> None:
    environ = {"SPOKE_RAET_HZ": "5"}
    settings, given = load_with_places("device", ["--check"], environ, tmp_path)
    lines = list(report("device", settings, given, ["publish to redis://a:b@c"]))
    assert any(line.startswith("Ignored: SPOKE_RAET_HZ") for line in lines)
    assert lines[-1] == "  - publish to redis://***@c"
    assert not any("SPOKE_MAX_DEVICES" in line for line in lines)
