"""A tracker that sends to a real MQTT broker: from its messages to a stock client."""

import json
import select
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import paho.mqtt.client
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from device.sample import Sample
from device.sources import Source, open_source
from device.sources.decoders.mqtt_layout import RESOLUTIONS
from shared.errors import SourceError
from shared.settings import load_settings
from tests.conftest import StartProcess
from tests.mosquitto import CA, PASSWORD, USER, Mosquitto
from tests.publisher_check import assert_right
from tests.system.pair import Pair
from tests.timing import eventually, scaled_s

TOPIC = "bikes/7/telemetry"


def open_at(tmp_path: Path, *flags: str, bike: int = 0) -> Source:
    """Open the source of these flags, in this process."""
    (tmp_path / "configs").mkdir(exist_ok=True)
    return open_source(load_settings("device", flags, {}, tmp_path), bike)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("mqtt", "must have two slashes after the colon, such as mqtt://localhost/bikes/7/tele"),
        ("mqtt:localhost/a", "must have two slashes"),
        ("mqtt://localhost", "must be a topic"),
        ("mqtt://:1883/a", "must begin with a host"),
        ("mqtt://h:0/a", "must begin with a host"),
        ("mqtt://a..b/a", "the source mqtt must begin with a host"),
        ("mqtts://h:99999999999/a", "the source mqtts must begin with a host"),
        ("mqtt://h/a/#/b", "# stands at the end"),
        ("mqtt://h/a+", "\\+ stands for a whole level"),
        ("mqtt://me:geheim@h/a", "no user and no password: name them with --mqtt-user"),
    ],
)
def test_wrong_address(tmp_path: Path, source: str, why: str) -> None:
    with pytest.raises(SourceError, match=why) as refused:
        open_at(tmp_path, "--source", source)
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.toml", "speed_kmh = {unit = 'mps'}\nx = 1\n", r"wrong:\n.*did you mean mph.*\n?x: is"),
        ("a.toml", "speed_kmh: 1", "is no TOML"),
        ("a.json", "{", "is no JSON"),
        ("a.json", "[]", "must hold an object"),
        ("a.toml", None, "cannot be read: No such file"),
    ],
)
def test_wrong_map(tmp_path: Path, name: str, text: str | None, why: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(SourceError, match=why.replace("did you mean mph.*", ".*")):
        open_at(tmp_path, "--source", "mqtt://localhost/a", "--mqtt-map", name)


def test_fleet_needs_an_id_in_the_topic(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="its topic, because each bike has a topic"):
        open_at(tmp_path, "--source", "mqtt://localhost/bikes/7", "--fleet-size", "2")


@pytest.mark.parametrize(
    ("flag", "why"),
    [
        ("--mqtt-password-file", "password.*cannot be read"),
        ("--mqtt-ca", "CA file.*cannot be used"),
    ],
)
def test_missing_file(tmp_path: Path, flag: str, why: str) -> None:
    with pytest.raises(SourceError, match=why):
        open_at(tmp_path, "--source", "mqtts://localhost/a", flag, "none")


@pytest.fixture
def broker(start_process: StartProcess, tmp_path: Path, free_port: Callable[[], int]) -> Mosquitto:
    return Mosquitto(start_process, tmp_path, free_port(), tls=True)


@pytest.fixture
def tracker(broker: Mosquitto) -> Iterator[paho.mqtt.client.Client]:
    """A client that publishes what a test wants."""
    client = paho.mqtt.client.Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set(USER, PASSWORD)
    client.tls_set(str(CA))
    client.reconnect_delay_set(1, 1)
    client.connect("localhost", broker.port)
    client.loop_start()
    yield client
    client.disconnect()
    client.loop_stop()


def next_of(source: Source) -> Sample:
    """Poll until there is a sample; raises the source's error."""
    deadline = time.monotonic() + scaled_s(20)
    descriptor = source.fileno()
    assert descriptor is not None
    while time.monotonic() < deadline:
        found = source.poll(0.0)
        if isinstance(found, Sample):
            return found
        select.select([descriptor], [], [], 1.0)
    raise AssertionError("no sample came")


def fault_of(source: Source) -> str:
    """Poll until the source fails; return why."""
    with closing(source), pytest.raises(SourceError) as failed:
        next_of(source)
    return str(failed.value)


def test_no_password(broker: Mosquitto, tmp_path: Path) -> None:
    flags = ["--source", f"mqtts://localhost:{broker.port}/a", "--mqtt-ca", str(CA)]
    why = fault_of(open_at(tmp_path, *flags))
    assert "refuses the connection (Not authorized): check the user and" in why


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho's socket
def test_unknown_ca(broker: Mosquitto, tmp_path: Path) -> None:
    why = fault_of(open_at(tmp_path, "--source", f"mqtts://localhost:{broker.port}/a"))
    assert why.endswith("name the file of its CA, and its host as in the certificate")


def test_fleet_without_a_map(
    broker: Mosquitto, tracker: paho.mqtt.client.Client, tmp_path: Path
) -> None:
    flags = ["--source", f"mqtts://localhost:{broker.port}/bikes/{{id}}/+", "--fleet-size", "2"]
    login = ["--mqtt-user", USER, "--mqtt-password-file", str(broker.password_file)]
    second = open_at(tmp_path, *flags, *login, "--mqtt-ca", str(CA), bike=1)
    with closing(second):
        eventually(lambda: has_come(tracker, second), what="a sample of the second bike")
        tracker.publish("bikes/ebike-001/state", '{"speed_kmh": 1}', 1)
        tracker.publish("bikes/ebike-002/state", '{"speed_kmh": 2, "power_w": 90}', 1)
        samples = [next_of(second)]
        while samples[-1].speed_kmh == 0:
            samples.append(next_of(second))
    assert samples[-1] == Sample(None, 2, {"power_w": 90})


def has_come(tracker: paho.mqtt.client.Client, source: Source) -> bool:
    """Publish a standing bike, and tell whether one arrived: then the source has subscribed."""
    tracker.publish("bikes/ebike-002/state", '{"speed_kmh": 0}', 1)
    return isinstance(source.poll(0.0), Sample)


def truth_of(path: Path) -> Iterator[dict[str, Any]]:
    """Yield what each reading should hold: the newest values when its speed was sent."""
    latest: dict[str, Any] = {}
    for line in path.read_text().splitlines():
        told = json.loads(line)
        latest |= told
        if "speed_kmh" in told:
            yield dict(latest)


def emulate(start_process: StartProcess, broker: Mosquitto, truth: Path) -> list[dict[str, Any]]:
    """Run the emulator with every disturbance; return the truth of each reading."""
    options = f"""--broker localhost:{broker.port} --user {USER} --ca {CA} --seed 4 --seconds 3
        --interval 0.1 --doubled 0.2 --broken 0.1 --no-speed 0.1 --drop 0.8 --retain"""
    files = ["--password-file", str(broker.password_file), "--truth", str(truth)]
    argv = ["python", "-m", "device.emulate", "mqtt", *options.split(), *files]
    emulator = start_process(argv)
    assert emulator.wait(timeout_s=60) == 0, emulator.output
    return list(truth_of(truth))


def assert_equal(readings: list[dict[str, Any]], truth: list[dict[str, Any]]) -> None:
    assert [reading["ts_ms"] for reading in readings] == [told["ts_ms"] for told in truth]
    assert [reading["seq"] for reading in readings] == list(range(1, len(truth) + 1))
    for reading, told in zip(readings, truth, strict=True):
        assert reading["assist"] == told["assist"]
        for key, resolution in RESOLUTIONS.items():
            assert reading[key] == pytest.approx(told[key], abs=resolution / 2 + 1e-9), key


def test_from_tracker_to_client(
    broker: Mosquitto,
    tracker: paho.mqtt.client.Client,
    start_process: StartProcess,
    tmp_path: Path,
    free_port: Callable[[], int],
) -> None:
    old = json.dumps({"t": 1_600_000_000, "vehicle": {"speed": 50}})
    tracker.publish(TOPIC, old, 1, retain=True).wait_for_publish(scaled_s(10))
    pair = Pair(start_process, web=free_port(), live=free_port(), replay=free_port())
    device = pair.start_device(
        SPOKE_SOURCE=f"mqtts://localhost:{broker.port}/bikes/7/#",
        SPOKE_MQTT_MAP="examples/mqtt_map.toml",
        SPOKE_MQTT_USER=USER,
        SPOKE_MQTT_PASSWORD_FILE=str(broker.password_file),
        SPOKE_MQTT_CA=str(CA),
    )
    pair.start_gateway()
    device.wait_for_line("mqtt_subscribed")
    witness = pair.watch(emit=[["subscribe", {"devices": "*", "since": {"*": "0-0"}}]])
    check = pair.start_check()
    truth = emulate(start_process, broker, tmp_path / "truth")
    assert len(truth) > 5
    witness.wait_for("speed_change", count=len(truth))
    assert_equal(witness.bodies("speed_change"), truth)
    device.wait_for_line("message_left_out")
    assert_right(check)

    broker.stop()
    device.wait_for_line("mqtt_away", timeout_s=30)
    broker.start()
    device.wait_for_line("mqtt_subscribed", count=2, timeout_s=30)
    eventually(tracker.is_connected, what="the tracker's connection", timeout_s=30)
    tracker.publish(TOPIC, '{"t": 1800000000, "vehicle": {"speed": 2}}', 1)
    last = witness.wait_for("speed_change", count=len(truth) + 1, timeout_s=30)
    assert (last["ts_ms"], last["speed_kmh"]) == (1_800_000_000_000, 7.2)
    assert device.output.count("mqtt_away") == 1
    assert device.stop() == 0
    assert PASSWORD not in device.output
