"""A replay server over real sockets, for a journal that is no device's: an archive."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from time import monotonic

import pytest
import zmq

from shared.contexts import open_context
from shared.cursor import Cursor
from shared.intake import Bounds, Intake
from shared.reading import Reading
from shared.replay_server.journal import JournalPage
from shared.replay_server.questions import PendingQuestions
from shared.replay_server.server import ReplayLink, ReplayServer, Socket
from shared.wire import ReplayAnswer, ReplayRequest, decode_answer, encode_reading, encode_request
from tests.timing import scaled_s

BOUNDS = Bounds(100, 10**6, frames_kept=10, bytes_kept=10**5, frame_bytes_max=10**4)


class Archive:
    """Holds readings 1 to 9 of an epoch, for every device."""

    def page(self, device_id: str, after: Cursor | None, limit: int) -> JournalPage:
        first = 1 if after is None else after.seq + 1
        seqs = range(first, min(first + limit, 10))
        payloads = [encode_reading(Reading(device_id, 7, seq, 0, 20.0)) for seq in seqs]
        return JournalPage(payloads, Cursor(7, 1), Cursor(7, 9))


@pytest.fixture
def sockets(free_port: Callable[[], int]) -> Iterator[tuple[Socket, Socket]]:
    """The ROUTER of a server and the DEALER of a client."""
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    with open_context() as context, ExitStack() as opened:
        router = opened.enter_context(closing(context.socket(zmq.ROUTER)))
        dealer = opened.enter_context(closing(context.socket(zmq.DEALER)))
        router.linger = dealer.linger = 0
        router.bind(endpoint)
        dealer.connect(endpoint)
        yield router, dealer


def test_archive_answers_questions(sockets: tuple[Socket, Socket]) -> None:
    router, dealer = sockets
    link = ReplayLink(router, "archive", Intake(router, BOUNDS, lambda _descriptor: False))
    questions = PendingQuestions(Archive(), {"ebike-001", "ebike-002"})
    server = ReplayServer([link], questions, ["ebike-001", "ebike-002"])
    dealer.send(encode_request(ReplayRequest("q", "ebike-002", Cursor(7, 4), 3)))
    assert router.poll(int(scaled_s(10) * 1000))
    server.turn({router: zmq.POLLIN}, monotonic(), lambda: False)
    assert dealer.poll(int(scaled_s(10) * 1000))
    answer = decode_answer(dealer.recv_multipart())
    assert isinstance(answer, ReplayAnswer)
    assert [reading.cursor for reading in answer.readings] == [
        Cursor(7, 5),
        Cursor(7, 6),
        Cursor(7, 7),
    ]
    assert (answer.device_id, answer.newest) == ("ebike-002", Cursor(7, 9))
