"""Authentication of callers. This is a stub: it lets everybody in.

Every HTTP request under ``/api/`` and every Socket.IO CONNECT calls the :data:`Authenticate`
function that ``create_app`` was given. Real authentication replaces that one function.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Credentials:
    """The credentials of a caller: HTTP headers (names in lower case) and Socket.IO ``auth``."""

    headers: Mapping[str, str]
    auth: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Principal:
    """The authenticated caller."""

    name: str


Authenticate: TypeAlias = Callable[[Credentials], Principal]
"""Returns the caller of these credentials; raises Unauthorized or Forbidden."""

ANYBODY = Principal("anybody")


def let_everybody_in(_credentials: Credentials) -> Principal:
    return ANYBODY
