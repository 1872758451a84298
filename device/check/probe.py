"""Connects to a publisher, listens to it, and asks it for replays."""

import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import zmq

from device.check.messages import MessageJudge, Traffic, note_holes
from device.check.replay import Frames, ReplayJudge
from device.check.verdict import Verdict
from device.sockets import Socket
from gateway.domain import Now
from shared.contexts import Context, open_context
from shared.errors import BadMessage, SettingsError
from shared.keepalive import never_full
from shared.setting_types import bind_endpoint, connect_endpoint
from shared.wire import decode_serve

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
    with open_context() as context, _open(context, zmq.SUB, endpoints, bind=bind) as sub:
        if replay is None:
            _listen(sub, judge, listen_s)
        elif bind:  # open from the start, because the publisher connects to it when it begins
            with _open(context, zmq.ROUTER, [replay], bind=True) as router:
                _listen(sub, judge, listen_s)
                _check_offered_replays(router, judge)
        else:
            _listen(sub, judge, listen_s)
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
    replay = ReplayJudge(partial(_ask, dealer, []), judge.findings)
    for device_id, traffic in _asked_about(judge):
        replay.judge(device_id, traffic)


def _check_offered_replays(router: Socket, judge: MessageJudge) -> None:
    """Judge the replays that publishers offered when they connected."""
    offers = _read_offers(router, judge)
    for device_id, traffic in _asked_about(judge):
        if device_id in offers:
            ask = partial(_ask, router, [offers[device_id]])
            ReplayJudge(ask, judge.findings).judge(device_id, traffic)
        else:
            text = (
                'no message {"v":1,"op":"serve","devices":[...]} named it; one is due on connecting'
            )
            judge.findings.wrong(device_id, "no_serve", text)


def _asked_about(judge: MessageJudge) -> list[tuple[str, Traffic]]:
    return list(judge.devices.items())[:REPLAYS_MAX]


def _read_offers(router: Socket, judge: MessageJudge) -> dict[str, bytes]:
    """Return the peer that serves each device."""
    offers: dict[str, bytes] = {}
    while router.poll(0):
        peer, *_envelope, payload = router.recv_multipart()
        try:
            serve = decode_serve(payload)
        except BadMessage as error:
            judge.findings.wrong(None, "bad_serve", str(error))
            continue
        if serve is not None:
            offers |= dict.fromkeys(serve.devices, peer)
    return offers


def _ask(socket: Socket, route: Frames, frames: Frames) -> Frames | None:
    """Send a question and return its answer; None if no answer came in time."""
    while socket.poll(0):
        socket.recv_multipart()  # a late answer to a question before, or another offer
    socket.send_multipart([*route, *frames])
    end_s = time.monotonic() + ANSWER_MAX_S
    while (left_s := end_s - time.monotonic()) > 0 and socket.poll(int(left_s * 1000) + 1):
        answer = socket.recv_multipart()
        if answer[: len(route)] == route and not _is_offer(answer[len(route) :]):
            return answer[len(route) :]
    return None


def _is_offer(frames: Frames) -> bool:
    """Tell whether a message is the offer that a connected publisher repeats every 10 s."""
    with suppress(BadMessage):
        return len(frames) == 1 and decode_serve(frames[0]) is not None
    return False


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
