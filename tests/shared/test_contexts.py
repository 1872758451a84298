from time import monotonic

import zmq

from shared.contexts import ENDING_MAX_S, ZERO_COPY_RECV, open_context
from tests.timing import scaled_s


def test_hanging_context_is_abandoned() -> None:
    begun_s = monotonic()
    with open_context() as context:
        left_open = context.socket(zmq.PUB)  # what a context waits for without end
    took_s = monotonic() - begun_s
    left_open.close()
    assert ENDING_MAX_S <= took_s < ENDING_MAX_S + scaled_s(5)


def test_received_messages_share_no_buffers() -> None:
    with zmq.Context() as usual, open_context() as context:
        assert (usual.get(ZERO_COPY_RECV), context.get(ZERO_COPY_RECV)) == (1, 0)
