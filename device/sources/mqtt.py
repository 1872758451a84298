"""``mqtt://host[:port]/topic`` and ``mqtts://…``: a tracker that sends to an MQTT broker.

The setting SPOKE_MQTT_MAP names a file that says where the values are (``decoders/mqtt_map.py``);
without it the messages are those of the source ``stdin``. In a fleet each bike has a connection of
its own, and ``{id}`` in the topic stands for its id.
"""

import json
import time
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from loguru import logger

from device.fleet import fleet_ids
from device.mqtt_link import BrokerLink, read_address, read_password
from device.sources import SOURCES, Source
from device.sources.decoders.mqtt_map import Field, check_filter, parse_map
from device.sources.decoders.mqtt_tracker import Message, Tracker
from device.sources.handover import HandoverSource
from shared.decorators import registered
from shared.errors import BadMessage, SourceError
from shared.log_once import LogOnce
from shared.settings import Settings

MODEL = "MQTT tracker"
ID = "{id}"
QUALITY = 1


@registered(SOURCES, "mqtt")
def open_mqtt(settings: Settings, argument: str, bike: int) -> Source:
    """Listen to the topic of one bike."""
    return _open("mqtt", settings, argument, bike)


@registered(SOURCES, "mqtts")
def open_mqtts(settings: Settings, argument: str, bike: int) -> Source:
    """Listen to the topic of one bike, over TLS."""
    return _open("mqtts", settings, argument, bike)


def _open(kind: str, settings: Settings, argument: str, bike: int) -> Source:
    try:
        if not argument.startswith("//"):
            raise ValueError("must have two slashes after the colon")
        address, topic = read_address(argument.removeprefix("//"), tls=kind == "mqtts")
        check_filter(topic)
        if settings.fleet_size > 1 and ID not in topic:
            raise ValueError(f"must have {ID} in its topic, because each bike has a topic")
    except ValueError as error:
        example = f"{kind}://localhost/bikes/7/telemetry"
        raise SourceError(f"the source {kind} {error}, such as {example}") from None
    broker = replace(
        address,
        user=settings.mqtt_user,
        password=read_password(settings.mqtt_password_file),
        ca=settings.mqtt_ca,
    )
    tracker = Tracker(load_map(settings.mqtt_map))
    device_id = fleet_ids(settings.device_id, settings.fleet_size)[bike]
    source = HandoverSource(0, MODEL)
    try:
        link = BrokerLink(broker, source.fail)
    except SourceError:
        source.close()
        raise
    _listen(link, topic.replace(ID, device_id), Receiver(source, tracker))
    source.on_close = link.close
    return source


def load_map(path: Path | None) -> Sequence[Field]:
    """Read a map from a file, TOML or JSON. Raises SourceError with all errors of the map."""
    if path is None:
        return ()
    try:
        text = path.read_text(encoding="utf-8")
        raw = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise SourceError(f"SPOKE_MQTT_MAP, {path}, cannot be read: {error.strerror}") from None
    except ValueError as error:
        form = "JSON" if path.suffix == ".json" else "TOML"
        raise SourceError(f"SPOKE_MQTT_MAP, {path}, is no {form}: {error}") from None
    if not isinstance(raw, dict):
        raise SourceError(f"SPOKE_MQTT_MAP, {path}, must hold an object")
    try:
        return parse_map(raw)
    except SourceError as error:
        raise SourceError(f"SPOKE_MQTT_MAP, {path}, is wrong:\n{error}") from None


class Receiver:
    """Takes messages in the thread of the client, and hands samples over."""

    def __init__(self, source: HandoverSource, tracker: Tracker) -> None:
        self._source, self._tracker = source, tracker
        self._once = LogOnce()

    def receive(self, _client: Any, _data: Any, message: Any) -> None:  # noqa: ANN401  # paho's
        """Take a message; one that cannot be used is left out, and the log says why once."""
        taken = Message(message.topic, message.payload, message.retain, message.dup)
        try:
            sample = self._tracker.take(taken, time.monotonic())
        except BadMessage as error:
            if self._once.is_first(error.reason):
                logger.warning("message_left_out", topic=taken.topic, why=str(error))
            return
        if sample is not None:
            self._source.put(sample)

    def subscribed(self, _client: Any, _data: Any, _number: int, codes: Any, _more: Any) -> None:  # noqa: ANN401  # paho's
        """Take the broker's answer to the subscription."""
        if codes[0].is_failure:
            self._source.fail(f"the MQTT broker does not let this user read the topic ({codes[0]})")
        else:
            logger.info("mqtt_subscribed")


def _listen(link: BrokerLink, topic: str, receiver: Receiver) -> None:
    link.client.on_message = receiver.receive
    link.client.on_subscribe = receiver.subscribed
    link.on_connected = partial(link.client.subscribe, topic, QUALITY)
    link.start()
