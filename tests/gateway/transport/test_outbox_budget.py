"""What waits for all clients: who is closed for it, and who may wait for whom."""

from collections import deque
from collections.abc import Callable

import gevent

from gateway.transport.event_loop.timers import Clock
from gateway.transport.limits.outbox_budget import CHECKS, LOW_WATER_BYTES, OutboxBudget
from tests.gateway.transport.clients import until

STALLED_S = 0.2


class Client:
    def __init__(self, outbox_budget: OutboxBudget) -> None:
        self.outbox_budget = outbox_budget
        self.taken_bytes = 0
        self.ends: list[str] = []

    def holds(self, cost: int) -> "Client":
        self.outbox_budget.note(self, cost)
        return self

    def evict(self) -> None:
        self.ends.append("evicted")

    def end_stalled(self) -> None:
        self.ends.append("stalled")
        self.outbox_budget.note(self, 0)


class Rig:
    def __init__(self) -> None:
        self.clock = Clock()
        self.later: deque[Callable[[], None]] = deque()
        self.outbox_budget = OutboxBudget(1000, STALLED_S, self.clock, self.later.append)

    def clients(self, *costs: int) -> list[Client]:
        return [Client(self.outbox_budget).holds(cost) for cost in costs]

    def turn(self) -> None:
        while self.later:
            self.later.popleft()()


def test_largest_are_evicted() -> None:
    rig = Rig()
    clients = rig.clients(100, 400, 300, 201)
    assert [client.ends for client in clients] == [[], [], [], []]  # never amid somebody's call
    rig.turn()
    assert [client.ends for client in clients] == [[], ["evicted"], [], []]
    assert rig.outbox_budget.total == 601
    rig.clock.stop()


def test_nobody_evicted_after_taking_all() -> None:
    rig = Rig()
    clients = rig.clients(600, 600)
    clients[0].holds(0)
    rig.turn()
    assert [client.ends for client in clients] == [[], []]
    rig.clock.stop()


def test_client_that_takes_nothing_is_stalled() -> None:
    rig = Rig()
    deaf, slow = rig.clients(1, 1)

    def take_a_little() -> bool:
        slow.taken_bytes += 1
        return bool(deaf.ends)

    until(take_a_little)
    assert deaf.ends == ["stalled"]
    assert slow.ends == []
    until(lambda: slow.ends == ["stalled"])
    rig.clock.stop()


def test_pause_of_the_process_is_no_stall() -> None:
    rig = Rig()
    (client,) = rig.clients(1)
    for _ in range(CHECKS):
        assert not client.ends
        rig.outbox_budget._check()
    assert not client.ends
    rig.outbox_budget._check()
    assert client.ends == ["stalled"]
    rig.clock.stop()


def test_checks_restart_after_taking_all() -> None:
    rig = Rig()
    (client,) = rig.clients(1)
    for _ in range(3 * CHECKS):
        rig.outbox_budget._check()
        client.holds(0).holds(1)
    assert not client.ends
    rig.clock.stop()


def test_wait_ends_when_most_is_taken() -> None:
    rig = Rig()
    outbox_budget = OutboxBudget(10**9, STALLED_S, rig.clock, rig.later.append)
    client = Client(outbox_budget).holds(3 * LOW_WATER_BYTES)
    waiting = gevent.spawn(outbox_budget.wait, client, None)
    gevent.sleep(0)
    client.holds(2 * LOW_WATER_BYTES)
    gevent.sleep(0)
    assert not waiting.dead
    client.holds(LOW_WATER_BYTES)
    waiting.join(timeout=5)
    assert waiting.value
    assert not outbox_budget.wait(client, 0.01)
    rig.clock.stop()
