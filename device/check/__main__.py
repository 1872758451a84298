"""``python -m device.check ENDPOINT``: says whether a publisher keeps the protocol, and what not.

Exits 0 when everything is right, 1 when something is wrong, 2 when nothing was heard or the
command was wrong, or the verdict cannot be written. A signal ends it with 0, without a verdict.
"""

if __name__ == "__main__":
    from shared.begin import begin

    begin()  # before the imports below, which take a while

import argparse
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial

import zmq

from device.check.findings import Finding
from device.check.live import Judge, note_holes
from device.check.replay import Frames, ReplayJudge
from device.sockets import Socket
from gateway.domain import Now
from shared.console import put_out, tell
from shared.contexts import Context, open_context
from shared.errors import ReaderGone, SettingsError
from shared.keepalive import never_full
from shared.program import run
from shared.setting_types import bind_endpoint, connect_endpoint

RIGHT, WRONG, NOTHING_HEARD = 0, 1, 2
LISTEN_S = 6.0
"""From the first message on: six statuses, and enough readings at any usual rate."""
ANSWER_MAX_S = 2.0
REPLAYS_MAX = 5
"""Of a fleet so many devices are asked: the rest is answered by the same code."""
MESSAGE_BYTES_MAX = 2**20
"""Far above what is allowed, so that what is too large is named rather than not heard."""
POLL_MS = 100


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said at the end; ``replay`` is the endpoint that was asked, if any."""

    endpoints: Sequence[str]
    replay: str | None
    judge: Judge

    @property
    def code(self) -> int:
        """The exit code."""
        if not self.judge.messages:
            return NOTHING_HEARD
        return WRONG if self.judge.findings.are_bad else RIGHT

    @property
    def word(self) -> str:
        """The exit code in words."""
        return ("right", "wrong", "nothing heard")[self.code]


def main(argv: Sequence[str] | None = None) -> int:
    """Listen, ask, judge and say what was found; returns the exit code."""
    options = _options(argv)
    try:
        endpoints = [one for text in options.endpoint for one in text.split(",")]
        verdict = check(endpoints, options.replay, options.seconds, bind=options.bind)
    except SettingsError as error:
        tell(f"{error}\n")
        return NOTHING_HEARD
    with suppress(ReaderGone):
        put_out(as_json(verdict) if options.json else as_text(verdict))
    return verdict.code


def check(
    endpoints: Sequence[str], replay: str | None, listen_s: float, *, bind: bool = False
) -> Verdict:
    """Judge the publishers at some endpoints; raises SettingsError for what is no endpoint."""
    judge = Judge()
    with open_context() as context:
        with _open(context, zmq.SUB, endpoints, bind=bind) as sub:
            listen(sub, judge, listen_s)
        if replay is not None:
            with _open(context, zmq.DEALER, [replay]) as dealer:
                ask_about_all(dealer, judge)
    for device_id, heard in judge.devices.items():
        note_holes(judge.findings, device_id, list(heard.order.holes))
    return Verdict(endpoints, replay, judge)


def listen(sub: Socket, judge: Judge, listen_s: float) -> None:
    """Hear everything for ``listen_s`` from the first message on; wait for that as long."""
    sub.subscribe(b"")
    end_s = time.monotonic() + listen_s
    while (now_s := time.monotonic()) < end_s:
        if not sub.poll(POLL_MS):
            continue
        if not judge.messages:
            end_s = now_s + listen_s
        judge.hear(sub.recv_multipart(), _now())
    judge.conclude(_now())


def ask_about_all(dealer: Socket, judge: Judge) -> None:
    """Judge the replay of the devices that were heard."""
    replay = ReplayJudge(partial(ask, dealer), judge.findings)
    for device_id, heard in list(judge.devices.items())[:REPLAYS_MAX]:
        replay.judge(device_id, heard)


def ask(dealer: Socket, frames: Frames) -> Frames | None:
    """Send a question and return the answer, None when none comes; late ones are thrown away."""
    while dealer.poll(0):
        dealer.recv_multipart()
    dealer.send_multipart(frames)
    return dealer.recv_multipart() if dealer.poll(int(ANSWER_MAX_S * 1000)) else None


def as_text(verdict: Verdict) -> str:
    """Write a verdict for people: who was heard, what is wrong, what is advised."""
    judge = verdict.judge
    lines = [
        f"heard   {device_id}: {heard.readings} readings, {heard.statuses} statuses"
        for device_id, heard in judge.devices.items()
    ]
    lines += [_finding_text(finding) for finding in judge.findings]
    replay = "not checked" if verdict.replay is None else f"asked at {verdict.replay}"
    return "\n".join([*lines, f"replay  {replay}", f"verdict {verdict.word}\n"])


def as_json(verdict: Verdict) -> str:
    """Write a verdict for machines, one JSON object."""
    judge = verdict.judge
    devices = {
        device_id: {"readings": heard.readings, "statuses": heard.statuses}
        for device_id, heard in judge.devices.items()
    }
    body = {
        "endpoint": ",".join(verdict.endpoints),
        "replay": verdict.replay or "not checked",
        "verdict": verdict.word,
        "devices": devices,
        "findings": [asdict(finding) for finding in judge.findings],
    }
    return json.dumps(body, indent=2) + "\n"


def _finding_text(finding: Finding) -> str:
    who = finding.device_id or "-"
    often = f" ({finding.count} times)" if finding.count > 1 else ""
    return f"{finding.level:<7} {who}: {finding.message} [{finding.code}]{often}"


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=".venv/bin/python -m device.check", description="Judge a publisher of readings."
    )
    parser.add_argument(
        "endpoint", nargs="+", help="where it publishes, as in SPOKE_DEVICE_CONNECT of a gateway"
    )
    parser.add_argument("--replay", metavar="ENDPOINT", help="where it answers for past readings")
    parser.add_argument("--json", action="store_true", help="say it in JSON")
    parser.add_argument(
        "--bind", action="store_true", help="listen at ENDPOINT: the device connects"
    )
    parser.add_argument(
        "--seconds", type=float, default=LISTEN_S, help="how long to listen (%(default)s)"
    )
    return parser.parse_args(argv)


def _open(context: Context, kind: int, endpoints: Sequence[str], *, bind: bool = False) -> Socket:
    """Open a socket at the endpoints, which are read as those of a gateway are."""
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


if __name__ == "__main__":
    run(main)
