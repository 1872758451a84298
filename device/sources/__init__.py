"""Where readings come from: one module a source, found by the name it registers.

A source is a generator of samples that never sleeps: the publisher paces it by ``due_s``. To add
one, add a module here with an opener under ``@registered(SOURCES, "<name>")``; a setting
``SPOKE_SOURCE=<name>:<argument>`` then finds it. Decoders of bytes live in ``decoders``, pure.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TypeAlias

from shared.errors import SourceError
from shared.reading import Value
from shared.settings import Settings


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement, not numbered yet.

    ``due_s`` is when to publish it, in seconds after the source's start; None means now.
    ``values`` holds a reading's optional keys, valid and in their order.
    """

    due_s: float | None
    speed_kmh: float
    values: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """An open source: its samples, the interval between them (0: irregular), what it is."""

    samples: Iterator[Sample]
    interval_ms: int
    model: str | None = None


Opener: TypeAlias = Callable[[Settings, str, int], Source]
"""Opens a source for ``(settings, argument, bike)``; ``argument`` is what follows the colon."""

SOURCES: dict[str, Opener] = {}


def open_source(settings: Settings, bike: int) -> Source:
    """Open ``settings.source`` for bike number ``bike`` of the fleet, from 0.

    Raises :class:`SourceError` when there is no such source or it cannot be used.
    """
    kind, _, argument = settings.source.partition(":")
    _import_sources()
    opener = SOURCES.get(kind)
    if opener is None:
        raise SourceError(_unknown(kind))
    return opener(settings, argument, bike)


def _import_sources() -> None:
    """Import every module of this package once, so that each has registered what it opens."""
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        importlib.import_module(module.name)


def _unknown(kind: str) -> str:
    near = get_close_matches(kind, SOURCES, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"there is no source {kind!r}, only {', '.join(sorted(SOURCES))}{hint}"
