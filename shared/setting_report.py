"""The answer of ``--check``: the value of each setting, the place that set it, and its effect."""

import re
from collections.abc import Iterator, Mapping, Sequence

from shared.setting_table import SETTINGS, Role, Setting
from shared.settings import Given, Settings

SECRET_WORDS = ("PASSWORD", "SECRET", "TOKEN", "KEY")
"""A setting with such a word in its name is never shown."""
HIDDEN = "***"
NOT_SET = "not set"
_PASSWORD = re.compile(r"(?<=://)[^/\s]*@")
_PASSWORD_IN_QUERY = re.compile(r"([?&](?:ssl_)?password=)[^&\s]+")


def report(
    role: Role, settings: Settings, given: Mapping[str, Given], plan: Sequence[str]
) -> Iterator[str]:
    """Yield the lines of the report; ``plan`` says what the process would do."""
    rows = [
        _row(setting, given.get(setting.name))
        for setting in SETTINGS.values()
        if role in setting.roles
    ]
    name_width = max(len(name) for name, _value, _place in rows)
    value_width = min(40, max(len(value) for _name, value, _place in rows))
    yield f"The settings of the {role}:"
    for name, value, place in rows:
        yield f"  {name:<{name_width}}  {value:<{value_width}}  {place}".rstrip()
    for sentence in settings.ignored:
        yield f"Ignored: {sentence}"
    yield f"The {role} would:"
    yield from (f"  - {hide_password(sentence)}" for sentence in plan)


def hide_password(text: str) -> str:
    """Replace the user and the password in each URL of a text."""
    return _PASSWORD_IN_QUERY.sub(rf"\1{HIDDEN}", _PASSWORD.sub(f"{HIDDEN}@", text))


def _row(setting: Setting, given: Given | None) -> tuple[str, str, str]:
    if given is None:
        return setting.name, NOT_SET, ""
    is_secret = any(word in setting.name for word in SECRET_WORDS)
    return setting.name, HIDDEN if is_secret else hide_password(given.text), given.place
