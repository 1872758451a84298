"""Send the readings of all bikes to an MQTT broker: with their own times, in order, none lost.

    .venv/bin/python -m examples.to_mqtt http://localhost:5000 localhost to_mqtt.json

Topics: spoke/<id>/reading, spoke/<id>/gap and spoke/<id>/status. Home Assistant finds the bikes by
itself. The file holds the position of the last reading that the broker confirmed, so a restart goes
on there. After a kill up to half a second of readings may come twice: skip what has an (epoch, seq)
that you have.
"""

import argparse
import asyncio
import json
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from gateway.watch import follow
from gateway.watch.connection import ConnectionLost, GatewayRefused, follow_for_ever
from gateway.watch.cursor_file import BadCursorFile, read_cursors, write_cursors

WAIT_S, SAVE_EVERY_S = 5.0, 0.5
SENSORS = {  # for Home Assistant: the device class and the unit
    "speed_kmh": ("speed", "km/h"),
    "power_w": ("power", "W"),
    "motor_power_w": ("power", "W"),
    "battery_pct": ("battery", "%"),
    "odometer_km": ("distance", "km"),
    "temperature_c": ("temperature", "°C"),
}


class Bridge:
    """Publishes one event after the other: the broker must confirm each before the next."""

    def __init__(self, client: Client, cursors: Path) -> None:
        self._watch = self._confirmed = follow.start(since=read_cursors(cursors))
        self._client, self._cursors, self._saved_s = client, cursors, time.monotonic()
        self._announced = set[tuple[str, str]]()
        self._idle = threading.Semaphore()  # 0 while a message waits for its confirmation
        client.on_publish = lambda *_details: self._idle.release()

    def request(self) -> object:
        return follow.subscribe_request(self._watch)

    def on_event(self, event: follow.Event) -> None:
        after = follow.apply(self._watch, event)
        if after is self._watch:  # a repetition
            return
        match event:
            case follow.ReadingReceived(body):
                for key in SENSORS.keys() & body.keys():
                    self._announce(body["device_id"], key)
                self._publish(f"spoke/{body['device_id']}/reading", body)
            case follow.GapReceived(body):
                self._publish(f"spoke/{body['device_id']}/gap", body)
            case follow.StatusReceived(body):
                self._publish(f"spoke/{body['device_id']}/status", body, retain=True)
            case follow.Disconnected(why):
                print(why, file=sys.stderr)
        self._watch = after

    def is_confirmed(self) -> bool:
        """Wait until the broker has confirmed the last message; False if that takes too long."""
        if not self._idle.acquire(timeout=WAIT_S):
            return False
        self._confirmed = self._watch
        return True

    def save(self) -> None:
        write_cursors(self._cursors, follow.cursors(self._confirmed))
        self._saved_s = time.monotonic()

    def _publish(self, topic: str, body: follow.Body, *, retain: bool = False) -> None:
        if not self.is_confirmed():  # connect again later, and go on with this event
            self._watch = follow.apply(self._watch, follow.Disconnected("no broker"))
            raise ConnectionLost("the broker confirms nothing; trying again")
        if time.monotonic() - self._saved_s > SAVE_EVERY_S:
            self.save()
        self._client.publish(topic, json.dumps(body), 1, retain)

    def _announce(self, bike: str, key: str) -> None:
        if (bike, key) in self._announced:
            return
        (kind, unit), own = SENSORS[key], f"spoke_{bike.replace('.', '_')}"
        config = {
            "name": key.rpartition("_")[0].replace("_", " "),
            "unique_id": f"{own}_{key}",
            "state_topic": f"spoke/{bike}/reading",
            "value_template": f"{{{{ value_json.{key} | default(none) }}}}",
            "unit_of_measurement": unit,
            "device_class": kind,
            "availability_topic": f"spoke/{bike}/status",
            "availability_template": "{{ 'online' if value_json.online else 'offline' }}",
            "device": {"identifiers": [own], "name": bike},
        }
        self._publish(f"homeassistant/sensor/{own}/{key}/config", config, retain=True)
        self._announced.add((bike, key))


async def run(options: argparse.Namespace) -> None:
    client = Client(CallbackAPIVersion.VERSION2)
    client.reconnect_delay_set(1, 10)
    if options.user:
        lines = options.password_file.read_text().splitlines() if options.password_file else []
        client.username_pw_set(options.user, lines[0] if lines else None)
    if options.ca:
        client.tls_set(options.ca)
    bridge = Bridge(client, options.cursors)
    client.connect(options.broker, options.port, keepalive=15)
    client.loop_start()
    following = asyncio.ensure_future(
        follow_for_ever([options.gateway], bridge.on_event, bridge.request, once=False)
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, following.cancel)
    try:
        await following
    finally:
        bridge.is_confirmed()
        bridge.save()
        client.disconnect()


def main() -> None:
    parser = argparse.ArgumentParser()
    for name, kind in (("gateway", str), ("broker", str), ("cursors", Path)):
        parser.add_argument(name, type=kind)
    parser.add_argument("--port", type=int, default=1883)
    for name, kind in (("--user", str), ("--password-file", Path), ("--ca", str)):
        parser.add_argument(name, type=kind)
    try:
        asyncio.run(run(parser.parse_args()))
    except (OSError, GatewayRefused, BadCursorFile) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    with suppress(asyncio.CancelledError):  # a signal ended it
        main()
