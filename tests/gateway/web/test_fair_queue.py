"""The order in which requests for a limited resource are served."""

from random import Random

import gevent
import pytest

from gateway.web.fair_queue import SPARE_RANKS, FairQueue
from tests.timing import scaled_s

WAIT_S = scaled_s(20)


class Requests:
    """Requests that hold their amount until they are ended."""

    def __init__(self, queue: FairQueue) -> None:
        self.queue = queue
        self.served: list[str] = []

    def ask(self, name: str, amount: int = 1) -> "gevent.Greenlet[[], None]":
        """Make a request; the first letter of ``name`` is its holder."""

        def wait() -> None:
            if self.queue.take(amount, name[0], WAIT_S):
                self.served.append(name)

        asking = gevent.spawn(wait)
        gevent.idle()
        return asking

    def end(self, name: str, amount: int = 1) -> None:
        self.queue.give_back(amount, name[0])
        gevent.idle()


@pytest.fixture
def requests() -> Requests:
    return Requests(FairQueue(4))


def test_holder_with_least_goes_first(requests: Requests) -> None:
    for number in range(8):
        requests.ask(f"a{number}")
    requests.ask("b0")
    requests.ask("b1")
    requests.ask("c0")
    assert requests.served == ["a0", "a1", "a2", "a3"]
    requests.end("a0")
    requests.end("a1")
    assert requests.served[4:] == ["b0", "c0"]
    requests.end("c0")
    assert requests.served[6:] == ["b1"]


def test_single_holder_may_have_everything(requests: Requests) -> None:
    for number in range(5):
        requests.ask(f"a{number}")
    requests.end("a0")
    assert requests.served == ["a0", "a1", "a2", "a3", "a4"]


def test_large_request_is_not_overtaken(requests: Requests) -> None:
    requests.ask("a0", 3)
    requests.ask("b0", 4)
    requests.ask("c0", 1)
    assert requests.served == ["a0"]
    requests.end("a0", 3)
    assert requests.served == ["a0", "b0"]


def test_killed_request_keeps_nothing(requests: Requests) -> None:
    first = requests.ask("a0", 4)
    waiting = requests.ask("b0", 4)
    waiting.kill()
    first.join()
    granted = requests.ask("c0", 4)
    granted.kill(block=False)
    requests.end("a0", 4)  # c0 gets it, and is killed before its greenlet runs
    granted.join()
    assert (requests.served, requests.queue.free) == (["a0"], 4)


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_lost_or_kept(seed: int) -> None:
    queue, random = FairQueue(100), Random(seed)
    most = 0

    def request() -> None:
        nonlocal most
        amount, holder = random.randint(1, 60), random.choice("abcdefgh")
        if queue.take(amount, holder, random.choice((0.0, 0.001, WAIT_S))):
            assert queue.free >= 0
            gevent.sleep(0)
            most = max(most, len(queue._ranks))
            queue.give_back(amount, holder)

    asking = [gevent.spawn(request) for _ in range(2_000)]
    for each in random.sample(asking, 100):
        each.kill(block=False)
    gevent.joinall(asking, raise_error=True, timeout=WAIT_S)
    assert all(each.ready() for each in asking)
    assert (queue.free, queue._waiting, sum(queue._held.values())) == (100, {}, 0)
    assert most <= 2 * 8 + SPARE_RANKS + 1
