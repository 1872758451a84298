"""The faults of a publisher that a check found, and advice about it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Level: TypeAlias = Literal["wrong", "advice"]

FINDINGS_MAX = 200
"""Bounds the memory: a faulty publisher may send ever new kinds of faults."""


@dataclass(slots=True)
class Finding:
    """One kind of fault or advice: how often it was found, and a message about the first case."""

    level: Level
    device_id: str | None
    code: str
    message: str
    count: int = 1


@dataclass(slots=True)
class Findings:
    """All faults and advice, each kind once."""

    are_bad: bool = False
    """Whether any fault was found, including those beyond :data:`FINDINGS_MAX`."""
    _found: dict[tuple[str | None, str, str], Finding] = field(default_factory=dict)

    def wrong(self, device_id: str | None, code: str, message: str, detail: str = "") -> None:
        """Note a fault: a breach of the protocol. ``detail`` tells kinds of one code apart."""
        self._add("wrong", device_id, code, message, detail)

    def advise(self, device_id: str | None, code: str, message: str, detail: str = "") -> None:
        """Note advice: the protocol allows this, but the author hardly meant it."""
        self._add("advice", device_id, code, message, detail)

    def __iter__(self) -> Iterator[Finding]:
        """Yield the faults before the advice, each sorted by device."""
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
