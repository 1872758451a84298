"""The way out: from a device through the gateway and the example to a real MQTT broker."""

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock
from typing import Any

import paho.mqtt.client
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from shared.cursor import parse_cursor
from tests.conftest import StartProcess
from tests.mosquitto import PASSWORD, USER, Mosquitto
from tests.processes import RunningProcess
from tests.system.pair import Pair
from tests.timing import eventually

BIKE = "ebike-001"
RATE_HZ = 40
SAVED_EVERY_S = 0.5


class Subscriber:
    """Collects what comes to a broker. The broker keeps messages for it while it is away."""

    def __init__(self, port: int) -> None:
        self._lock = Lock()
        self._messages: list[tuple[str, Any]] = []
        self.client = paho.mqtt.client.Client(
            CallbackAPIVersion.VERSION2, "subscriber", clean_session=False
        )
        self.client.username_pw_set(USER, PASSWORD)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_message = self._take
        self.client.connect("127.0.0.1", port)
        self.client.subscribe([("spoke/#", 1), ("homeassistant/#", 1)])
        self.client.loop_start()

    def bodies(self, topic: str) -> list[Any]:
        with self._lock:
            return [body for name, body in self._messages if name == topic]

    @property
    def numbers(self) -> list[int]:
        return [body["seq"] for body in self.bodies(f"spoke/{BIKE}/reading")]

    def wait_for_more(self) -> None:
        wanted = max(self.numbers, default=0) + RATE_HZ
        eventually(
            lambda: max(self.numbers, default=0) > wanted, what="more readings", timeout_s=40
        )

    def _take(self, _client: object, _data: object, message: paho.mqtt.client.MQTTMessage) -> None:
        with self._lock:
            self._messages.append((message.topic, json.loads(message.payload)))


@pytest.fixture
def broker(start_process: StartProcess, tmp_path: Path, free_port: Callable[[], int]) -> Mosquitto:
    return Mosquitto(start_process, tmp_path, free_port())


@pytest.fixture
def subscriber(broker: Mosquitto) -> Iterator[Subscriber]:
    subscriber = Subscriber(broker.port)
    yield subscriber
    subscriber.client.disconnect()
    subscriber.client.loop_stop()


@pytest.fixture
def pair(start_process: StartProcess, free_port: Callable[[], int]) -> Pair:
    """A device and a gateway that run."""
    pair = Pair(start_process, web=free_port(), live=free_port(), replay=free_port())
    pair.start_device(SPOKE_RATE_HZ=str(RATE_HZ))
    pair.start_gateway()
    return pair


def start_bridge(pair: Pair, broker: Mosquitto, cursors: Path) -> RunningProcess:
    """Start the example; returns once it has saved positions, so that a signal ends it cleanly."""
    before = last_saved(cursors)
    login = ["--user", USER, "--password-file", str(broker.password_file)]
    places = [pair.url, "127.0.0.1", str(cursors), "--port", str(broker.port)]
    bridge = pair.start_process(["python", "-m", "examples.to_mqtt", *places, *login])
    eventually(lambda: last_saved(cursors) > before, what="saved positions", timeout_s=40)
    return bridge


def last_saved(cursors: Path) -> int:
    return cursors.stat().st_mtime_ns if cursors.exists() else 0


def test_broker_restarted_and_bridge_killed(
    pair: Pair, broker: Mosquitto, subscriber: Subscriber, tmp_path: Path
) -> None:
    cursors = tmp_path / "cursors.json"
    bridge = start_bridge(pair, broker, cursors)
    subscriber.wait_for_more()
    broker.stop()
    wait_for_newer(pair)  # so that readings are measured while the broker is away
    broker.start()
    subscriber.wait_for_more()
    by_broker = repetitions(subscriber.numbers)
    assert by_broker <= 2  # the messages that were on their way to the broker, and from it

    bridge.stop(signal.SIGKILL)
    bridge = start_bridge(pair, broker, cursors)
    subscriber.wait_for_more()
    by_kill = repetitions(subscriber.numbers) - by_broker
    assert by_kill <= 10 * SAVED_EVERY_S * RATE_HZ  # a busy machine saves later

    assert bridge.stop() == 0
    saved = parse_cursor(json.loads(cursors.read_text())[BIKE])
    eventually(lambda: saved is not None and max(subscriber.numbers) == saved.seq)
    bridge = start_bridge(pair, broker, cursors)
    subscriber.wait_for_more()
    assert bridge.stop() == 0
    numbers = subscriber.numbers
    assert repetitions(numbers) == by_broker + by_kill  # a stop repeats nothing
    assert list(dict.fromkeys(numbers)) == list(range(numbers[0], max(numbers) + 1))
    assert_original(pair, subscriber)
    assert_discovery(subscriber)


def wait_for_newer(pair: Pair) -> None:
    """Wait until the gateway has the readings of another second."""
    wanted = pair.wait_until_known(BIKE)["latest"]["seq"] + RATE_HZ
    eventually(lambda: pair.wait_until_known(BIKE)["latest"]["seq"] > wanted)


def repetitions(numbers: list[int]) -> int:
    return len(numbers) - len(set(numbers))


def assert_original(pair: Pair, subscriber: Subscriber) -> None:
    """Assert that readings are as the gateway has them, with their times."""
    held = pair.get(f"/api/v1/devices/{BIKE}/readings?limit=5000").json["readings"]
    by_number = {reading["seq"]: reading for reading in held}
    bodies = subscriber.bodies(f"spoke/{BIKE}/reading")
    assert [by_number[body["seq"]] for body in bodies] == bodies


def assert_discovery(subscriber: Subscriber) -> None:
    """Assert that Home Assistant learns what it needs of a sensor."""
    own = f"spoke_{BIKE}"
    config = subscriber.bodies(f"homeassistant/sensor/{own}/speed_kmh/config")[0]
    assert config["unique_id"] == f"{own}_speed_kmh"
    assert config["state_topic"] == f"spoke/{BIKE}/reading"
    assert config["value_template"] == "{{ value_json.speed_kmh | default(none) }}"
    assert (config["device_class"], config["unit_of_measurement"]) == ("speed", "km/h")
    assert subscriber.bodies(config["availability_topic"])[0]["online"] is True
