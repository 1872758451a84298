"""Who may come in: the one seam where real authentication goes. Today everybody may."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a caller shows: HTTP headers (names in lower case) and the Socket.IO ``auth``."""

    headers: Mapping[str, str]
    auth: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a caller turned out to be."""

    name: str


Authenticate: TypeAlias = Callable[[Credentials], Principal]
"""Tells who a caller is, or raises Unauthorized or Forbidden."""

ANYBODY = Principal("anybody")


def let_everybody_in(_credentials: Credentials) -> Principal:
    """Let everybody in: the stub."""
    return ANYBODY
