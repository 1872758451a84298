"""What a check found wrong with a publisher, or would advise. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Level: TypeAlias = Literal["wrong", "advice"]

FINDINGS_MAX = 200
"""Nobody reads more, and a publisher may find ever new ways to be wrong."""


@dataclass(slots=True)
class Finding:
    """One kind of thing that was found, how often, and the first case of it in words."""

    level: Level
    device_id: str | None
    code: str
    message: str
    count: int = 1


@dataclass(slots=True)
class Findings:
    """All that was found, each kind once."""

    are_bad: bool = False
    """Whether anything is wrong, also of what was too much to keep."""
    _found: dict[tuple[str | None, str, str], Finding] = field(default_factory=dict)

    def wrong(self, device_id: str | None, code: str, message: str, detail: str = "") -> None:
        """Note a breach of the protocol; ``detail`` tells kinds of one code apart."""
        self._add("wrong", device_id, code, message, detail)

    def advise(self, device_id: str | None, code: str, message: str, detail: str = "") -> None:
        """Note what the protocol allows and is hardly meant."""
        self._add("advice", device_id, code, message, detail)

    def __iter__(self) -> Iterator[Finding]:
        """Give what is wrong first, each device's together."""
        found = self._found.values()
        return iter(sorted(found, key=lambda one: (one.level != "wrong", one.device_id or "")))

    def _add(
        self, level: Level, device_id: str | None, code: str, message: str, detail: str
    ) -> None:
        self.are_bad |= level == "wrong"
        found = self._found.get((device_id, code, detail))
        if found is not None:
            found.count += 1
        elif len(self._found) < FINDINGS_MAX:
            self._found[device_id, code, detail] = Finding(level, device_id, code, message)
