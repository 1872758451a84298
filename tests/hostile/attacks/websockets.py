"""WebSocket frames and Socket.IO packets."""

import json

from tests.hostile.attacker import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FRAMES_BYTES_MAX,
    PING,
    PONG,
    TEXT,
    Attacker,
    event,
    frame,
    pour,
    reset,
    upgrade,
)
from tests.hostile.attacks.table import attack

MESSAGE_BYTES = 60_000
"""Of a large message. The gateway takes 512 kB; ``docs/guarantees.md`` says what those cost."""
CURSORS = 10_000
"""The most that one request may have."""
EVERYTHING = event("subscribe", '{"devices":"*"}')
ALL_HELD = event("subscribe", '{"devices":"*","since":{"*":"0-0"}}')


@attack(clients=10)
def tiny_frames(attacker: Attacker) -> None:
    """Frames without a payload, which mean nothing."""
    pour(attacker.websockets(10), frame(PONG) * 10_000, bytes_max=FRAMES_BYTES_MAX)


@attack(clients=10)
def noops(attacker: Attacker) -> None:
    """The smallest packets of Engine.IO that are allowed."""
    pour(
        attacker.websockets(10),
        (frame(TEXT, b"6") + frame(TEXT, b"3")) * 5_000,
        bytes_max=FRAMES_BYTES_MAX,
    )


@attack(clients=20)
def pings_unread(attacker: Attacker) -> None:
    """Each ping has to be answered, and nothing is read."""
    pour(
        attacker.websockets(20, unread=True),
        frame(PING) * 10_000,
        reads=False,
        bytes_max=FRAMES_BYTES_MAX,
    )


@attack(clients=20)
def empty_fragments(attacker: Attacker) -> None:
    """A message that goes on for ever and never has a byte."""
    begun = frame(TEXT, is_last=False)
    pour(
        attacker.websockets(20, begun),
        frame(CONTINUATION, is_last=False) * 10_000,
        bytes_max=FRAMES_BYTES_MAX,
    )


@attack(clients=20)
def fragments_of_one_byte(attacker: Attacker) -> None:
    """A message in the smallest pieces there are."""
    begun = frame(TEXT, b"6", is_last=False)
    pour(
        attacker.websockets(20, begun),
        frame(CONTINUATION, b"x", is_last=False) * 5_000,
        bytes_max=FRAMES_BYTES_MAX,
    )


@attack(clients=300)
def frames_that_are_announced(attacker: Attacker) -> None:
    """Frames of any announced size, and never their last byte."""
    huge = attacker.websockets(20, b"\x81\xff" + b"\x7f" + b"\xff" * 7 + bytes(4))
    largest = attacker.websockets(280, frame(TEXT, b"6" * MESSAGE_BYTES)[:-1])
    pour(huge + largest, b"x" * 60_000, bytes_max=60_000, lasts_s=0.5)
    pour(largest, b"x", bytes_max=0)


@attack(clients=100)
def attachments_that_never_come(attacker: Attacker) -> None:
    """A parsed packet waits for its attachments, and takes many times its size."""
    head = '451-["x",{"_placeholder":true,"num":0}'
    packet = head + ",{}" * ((MESSAGE_BYTES - len(head)) // 3 - 1) + "]"
    lines = attacker.websockets(100, frame(TEXT, packet.encode()))
    pour(lines, b"x", bytes_max=0)


@attack(clients=50)
def deep_and_wide_json(attacker: Attacker) -> None:
    """JSON that is expensive to parse: nested, many keys, long numbers."""
    deep = f'42["x",{"[" * 20_000}{"]" * 20_000}]'
    wide = "42" + json.dumps(["subscribe", {f"k{n}": n for n in range(4_000)}])
    long = f'42["x",{"9" * MESSAGE_BYTES}]'
    placeholders = "451-" + json.dumps(["x", [{"_placeholder": True, "num": 0}] * 1_500])
    packets = [frame(TEXT, text.encode()) for text in (wide, placeholders, long, deep)]
    for piece in packets:
        pour(attacker.websockets(12), piece, lasts_s=0.2)


@attack(clients=20)
def connects_again_and_again(attacker: Attacker) -> None:
    """CONNECT to the joined namespace, to unknown ones, and with DISCONNECT between."""
    pour(
        attacker.websockets(10),
        frame(TEXT, b"40/unknown,") * 2_000,
        lasts_s=0.4,
        bytes_max=FRAMES_BYTES_MAX,
    )
    again = frame(TEXT, b'40{"subscribe":{"devices":"*"}}') + frame(TEXT, b"41")
    pour(
        attacker.websockets(10, frame(TEXT, b"41")),
        again * 1_000,
        lasts_s=0.4,
        bytes_max=FRAMES_BYTES_MAX,
    )


@attack(clients=20)
def acknowledgements_nobody_asked_for(attacker: Attacker) -> None:
    """Acknowledgements with large ids and large bodies."""
    many = [frame(TEXT, b"43%d[]" % number) for number in range(2_000)]
    pour(attacker.websockets(10), b"".join(many), lasts_s=0.4, bytes_max=FRAMES_BYTES_MAX)
    large = "43" + "7" * 50 + json.dumps([[0] * 15_000])
    pour(attacker.websockets(10), frame(TEXT, large.encode()), lasts_s=0.4)


@attack(clients=20)
def subscribe_bursts(attacker: Attacker) -> None:
    """Short requests with the longest answer, from all at once, and unread."""
    lines = attacker.websockets(20, unread=True)
    pour(lines, EVERYTHING * 100, bytes_max=100 * len(EVERYTHING), reads=False)


LARGEST_MB = 45.0
"""Mostly 1 to 15 MB, and 37 MB once; alone on a fresh gateway up to 46 MB, as the requests of many
clients are parsed at the same time."""


@attack(clients=20, growth_mb=LARGEST_MB)
def largest_subscriptions(attacker: Attacker) -> None:
    """As many names and cursors as one request may have, and ten times as many names."""
    names = [f"crowd-{number:05}" for number in range(CURSORS)]
    some = names[:1_000]
    named = event("subscribe", json.dumps({"devices": some, "since": dict.fromkeys(some, "0-0")}))
    refused = event("subscribe", json.dumps({"devices": names}))
    every = {"devices": "*", "since": dict.fromkeys(names, "1-1")}
    away = event("unsubscribe", '{"devices":"*"}')
    sent = named + refused + event("subscribe", json.dumps(every)) + away
    pour(attacker.websockets(20), sent)


@attack(clients=20)
def events_nobody_knows(attacker: Attacker) -> None:
    """Names of every length, with and without an acknowledgement, whose answers are not read."""
    sent = event("x" * 1_000, '"' + "y" * 20_000 + '"') + frame(TEXT, b'421["nothing"]') * 50
    pour(attacker.websockets(20, unread=True), sent, reads=False)


@attack(clients=50)
def held_readings_unread(attacker: Attacker) -> None:
    """All that is held is asked for, and nothing is read."""
    pour(attacker.websockets(50, ALL_HELD, unread=True), b"x", bytes_max=0, reads=False)


@attack(clients=300)
def handshakes_without_connect(attacker: Attacker) -> None:
    """Sessions that never join."""
    pour(attacker.lines(300, upgrade()), frame(TEXT, b"3"), pause_s=0.05)


@attack(clients=300)
def closes_that_never_finish(attacker: Attacker) -> None:
    """A violation, or a close, after which the client neither reads nor leaves."""
    lines = attacker.websockets(150, frame(TEXT, b"\xff"), unread=True)
    lines += attacker.websockets(150, frame(TEXT, b"1"), unread=True)
    pour(lines, frame(PONG) * 1_000, reads=False)


@attack(clients=400)
def sessions_that_leave_at_once(attacker: Attacker) -> None:
    """Sessions that join, ask for everything, and are gone before the answer."""
    for _ in range(8):
        lines = attacker.lines(50, upgrade() + frame(TEXT, b"40") + ALL_HELD)
        reset(lines[::2])
        for line in lines[1::2]:
            line.sendall(frame(CLOSE))
            line.close()


@attack(clients=20)
def rubbish_frames(attacker: Attacker) -> None:
    """What is no frame, and binary packets that are no attachments."""
    lines = attacker.websockets(10, b"\xff" * 1_000) + attacker.websockets(10)
    pour(lines, frame(BINARY, b"x" * 1_000))
