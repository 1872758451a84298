"""Connects to a publisher, listens to it, and asks it for replays."""

import time
from collections.abc import Sequence
from functools import partial

import zmq

from device.check.messages import MessageJudge, note_holes
from device.check.replay import Frames, ReplayJudge
from device.check.verdict import Verdict
from device.sockets import Socket
from gateway.domain import Now
from shared.contexts import Context, open_context
from shared.errors import SettingsError
from shared.keepalive import never_full
from shared.setting_types import bind_endpoint, connect_endpoint

LISTEN_S = 6.0
"""Counted from the first message: six statuses, and enough readings at any usual rate."""
ANSWER_MAX_S = 2.0
REPLAYS_MAX = 5
"""In a fleet the probe asks about this many devices: the same code answers for the others."""
MESSAGE_BYTES_MAX = 2**20
"""Far above the protocol's limit, so that a message that is too large arrives and is reported."""
POLL_MS = 100


def check(
    endpoints: Sequence[str], replay: str | None, listen_s: float, *, bind: bool = False
) -> Verdict:
    """Check the publishers at some endpoints; raises SettingsError for a wrong endpoint."""
    judge = MessageJudge()
    with open_context() as context:
        with _open(context, zmq.SUB, endpoints, bind=bind) as sub:
            _listen(sub, judge, listen_s)
        if replay is not None:
            with _open(context, zmq.DEALER, [replay]) as dealer:
                _check_replays(dealer, judge)
    for device_id, traffic in judge.devices.items():
        note_holes(judge.findings, device_id, list(traffic.sequence.holes))
    return Verdict(endpoints, replay, judge)


def _listen(sub: Socket, judge: MessageJudge, listen_s: float) -> None:
    """Receive for ``listen_s`` from the first message on; wait as long for that message."""
    sub.subscribe(b"")
    end_s = time.monotonic() + listen_s
    while (now_s := time.monotonic()) < end_s:
        if not sub.poll(POLL_MS):
            continue
        if not judge.messages:
            end_s = now_s + listen_s
        judge.receive(sub.recv_multipart(), _now())
    judge.conclude(_now())


def _check_replays(dealer: Socket, judge: MessageJudge) -> None:
    """Judge the replays of the devices whose messages were received."""
    replay = ReplayJudge(partial(_ask, dealer), judge.findings)
    for device_id, traffic in list(judge.devices.items())[:REPLAYS_MAX]:
        replay.judge(device_id, traffic)


def _ask(dealer: Socket, frames: Frames) -> Frames | None:
    """Send a question and return its answer; None if no answer came in time."""
    while dealer.poll(0):
        dealer.recv_multipart()  # a late answer to a question before
    dealer.send_multipart(frames)
    return dealer.recv_multipart() if dealer.poll(int(ANSWER_MAX_S * 1000)) else None


def _open(context: Context, kind: int, endpoints: Sequence[str], *, bind: bool = False) -> Socket:
    """Open a socket at the endpoints, written as in the settings of a gateway."""
    socket = context.socket(kind)
    socket.linger = 0
    never_full(socket)
    socket.maxmsgsize = MESSAGE_BYTES_MAX
    try:
        for endpoint in endpoints:
            _attach(socket, endpoint.strip(), bind=bind)
    except SettingsError:
        socket.close()
        raise
    return socket


def _attach(socket: Socket, endpoint: str, *, bind: bool) -> None:
    try:
        (bind_endpoint if bind else connect_endpoint)(endpoint)
        socket.ipv6 = "[" in endpoint  # for this endpoint and those that follow
        (socket.bind if bind else socket.connect)(endpoint)
    except (ValueError, zmq.ZMQError) as error:
        text = f"cannot {'bind' if bind else 'connect to'} {endpoint}: {error}"
        raise SettingsError(f"{text}; an endpoint is such as tcp://127.0.0.1:5556") from error


def _now() -> Now:
    return Now(time.monotonic(), time.time_ns() // 1_000_000)
