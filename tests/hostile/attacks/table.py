"""The table of attacks, filled by ``@attack``."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from tests.hostile.attacker import Attacker

Run: TypeAlias = Callable[[Attacker], None]


class Attack(NamedTuple):
    """One attack: what it does, and how many connections or sessions it holds at once.

    ``growth_mb`` is the memory that it may cost beyond that of as many honest clients.
    """

    name: str
    run: Run
    clients: int
    growth_mb: float


ATTACKS: list[Attack] = []
GROWTH_MAX_MB = 20.0


def attack(*, clients: int, growth_mb: float = GROWTH_MAX_MB) -> Callable[[Run], Run]:
    """Put a function into the table; its docstring says what must not happen."""

    def register(run: Run) -> Run:
        ATTACKS.append(Attack(run.__name__, run, clients, growth_mb))
        return run

    return register
