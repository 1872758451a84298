"""``mqtt``: the simulator as a home-made tracker that sends to an MQTT broker.

``decoders/mqtt_layout.py`` defines its messages, and ``examples/mqtt_map.toml`` maps them. Every
message asks the broker to confirm it (quality of service 1). What the broker has not confirmed when
the link drops is sent again later.
"""

import socket
import threading
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from math import inf
from pathlib import Path
from random import Random
from typing import Any

from device.emulate import EMULATORS, Emulation, Emulator
from device.emulate.option_types import positive, share
from device.mqtt_link import BrokerLink, read_address, read_password
from device.noise import Stream
from device.sample import Sample
from device.sources.decoders.mqtt_layout import Sent, messages
from shared.errors import SourceError

QUALITY = 1
LOOK_S = 1.0
CONFIRMED_WITHIN_S = 5.0
"""How long the end waits until the broker has confirmed the last message."""
BROKEN = b'{"t": 1, "vehicle": {"speed": '


@dataclass(frozen=True, slots=True)
class Disturbances:
    """How often something goes wrong, as shares of the messages."""

    doubled: float = 0.0
    broken: float = 0.0
    no_speed: float = 0.0


def disturbed(
    number: int, sample: Sample, ts_ms: int, often: Disturbances, chance: Stream
) -> Iterator[Sent]:
    """Yield the messages of one moment with disturbances; extra messages have no truth."""
    has_speed = chance.random() >= often.no_speed
    for sent in messages(number, sample, ts_ms, has_speed=has_speed):
        if chance.random() < often.broken:
            yield Sent(sent.topic, BROKEN, {})
        yield sent
        if chance.random() < often.doubled:
            yield sent._replace(truth={})


def _run(emulation: Emulation) -> None:
    options = emulation.options
    faults: list[str] = []

    def end(why: str) -> None:
        faults.append(why)
        emulation.stop.set()

    link = BrokerLink(_broker(options), end)
    connected = threading.Event()
    link.on_connected = connected.set
    link.start()
    try:
        while not connected.wait(1.0) and not emulation.stop.is_set():
            pass
        _ride(emulation, link.client)
    finally:
        link.close()
    if faults:
        raise SourceError(faults[0])


def _broker(options: Any) -> Any:  # noqa: ANN401  # argparse's
    try:
        address, topic = read_address(options.broker, tls=options.ca is not None)
        if topic:
            raise ValueError("must have no topic: that is --topic")
    except ValueError as error:
        raise SourceError(f"--broker {error}") from None
    password = read_password(options.password_file)
    return replace(address, user=options.user, password=password, ca=options.ca)


class Sender:
    """Sends one message after the other: each waits until the broker has confirmed the last.

    More at a time would overtake each other when the connection comes back: paho sends new messages
    before the broker has accepted the connection, and repeats old ones after that.
    """

    def __init__(self, client: Any, stop: threading.Event) -> None:  # noqa: ANN401  # paho's
        self._client, self._stop = client, stop
        self._room = threading.Semaphore(1)
        client.on_publish = lambda *_details: self._room.release()

    def send(self, topic: str, payload: bytes, *, retain: bool) -> bool:
        """Send a message as soon as that is possible; False when the emulation ends before."""
        while not self._room.acquire(timeout=LOOK_S):
            if self._stop.is_set():
                return False
        self._client.publish(topic, payload, QUALITY, retain)
        return True

    def finish(self) -> None:
        """Wait a while for the last confirmation."""
        self._room.acquire(timeout=CONFIRMED_WITHIN_S)


def _ride(emulation: Emulation, client: Any) -> None:  # noqa: ANN401  # paho's
    """Send moment after moment, each when it is due, until the emulation ends."""
    options, chance = emulation.options, Random(emulation.options.seed)
    often = Disturbances(options.doubled, options.broken, options.no_speed)
    sender = Sender(client, emulation.stop)
    began_s, began_ms = time.monotonic(), time.time_ns() // 1_000_000
    next_drop_s = options.drop or inf
    for number, sample in zip(count(), emulation.ride(options.interval), strict=False):
        at_s = number * options.interval
        if emulation.stop.wait(max(0.0, began_s + at_s - time.monotonic())):
            break
        for sent in disturbed(number, sample, began_ms + round(at_s * 1000), often, chance):
            topic = f"{options.topic}/{sent.topic}"
            if sender.send(topic, sent.payload, retain=options.retain) and sent.truth:
                emulation.truth.tell(at_s, sent.truth)
        if at_s >= next_drop_s:
            next_drop_s += options.drop
            _drop(client)
    sender.finish()


def _drop(client: Any) -> None:  # noqa: ANN401  # paho's
    """Cut the connection without a goodbye."""
    with suppress(OSError, AttributeError):  # there is no connection at the moment
        client.socket().shutdown(socket.SHUT_RDWR)


def _add_options(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--broker", required=True, metavar="HOST[:PORT]", help="the MQTT broker")
    add("--topic", default="bikes/7", help="the first part of all topics (%(default)s)")
    add("--interval", type=positive, default=1.0, help="seconds between messages (%(default)s)")
    add("--user", help="the user at the broker")
    add("--password-file", type=Path, metavar="FILE", help="the file that holds the password")
    add("--ca", type=Path, metavar="FILE", help="connect by TLS; the CA of the broker")
    add("--retain", action="store_true", help="let the broker keep the last messages")
    add_share = partial(add, type=share, default=0.0, metavar="SHARE")
    add_share("--doubled", help="the share of messages sent twice")
    add_share("--broken", help="send so many messages of broken JSON, as a share")
    add_share("--no-speed", help="the share of messages without a speed")
    add("--drop", type=positive, metavar="S", help="drop the link every S seconds")


EMULATORS["mqtt"] = Emulator("a home-made tracker that sends to an MQTT broker", _add_options, _run)
