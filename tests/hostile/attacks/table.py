"""The table of attacks, filled by ``@attack``."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from tests.hostile.attacker import Attacker

Run: TypeAlias = Callable[[Attacker], None]


class Attack(NamedTuple):
    """One attack: what it does, and how many connections or sessions it holds at once."""

    name: str
    run: Run
    clients: int


ATTACKS: list[Attack] = []


def attack(*, clients: int) -> Callable[[Run], Run]:
    """Put a function into the table; its docstring says what must not happen."""

    def register(run: Run) -> Run:
        ATTACKS.append(Attack(run.__name__, run, clients))
        return run

    return register
