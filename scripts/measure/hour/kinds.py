"""The kinds of hardware: their disturbances, the settings of their devices, and their rules.

``{ours}`` is the emulator's end of the transport, ``{theirs}`` the device's. The other names in
braces are seconds between disturbances, and files.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from tests.mosquitto import CA, USER
from tests.truth import rules
from tests.truth.comparison import Rule


class Medium(Enum):
    """How hardware and device are connected."""

    NONE = "none: the device simulates"
    AIR = "two Bluetooth controllers"
    WIRE = "a pseudo-terminal"
    BROKER = "mosquitto"


@dataclass(frozen=True, slots=True)
class Kind:
    """A row: how a kind of hardware is emulated, and how a device connects to it."""

    medium: Medium
    rule: Rule
    options: str = ""
    """Of the emulator."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Of the device."""
    lost: str = ""
    """What the log says when the link drops."""
    back: str = ""
    """What the log says for each connection."""
    first: int = 0
    """Connections that are none after a drop."""


BLE_WHEEL_M, SERIAL_WHEEL_M = 2.105, 2.135
USUAL_S = {"drop": 100.0, "pause": 180.0, "reset": 330.0, "vanish": 300.0}
"""How often links drop, serial devices fall silent, counters begin at 0 again, and two sensors of
the Bosch bike vanish."""
LEAST_S = 10.0
"""A device must find its port when it starts."""
AIR = "--transport {ours} --doubled 0.2 --drop {drop}"
SENSOR = f"{AIR} --mtu 23 --jitter 0.4 --wraps-soon --reset {{reset}} --wheel {BLE_WHEEL_M}"
WIRE = """--pty {ours} --noise 0.02 --truncated 0.02 --wrong-bit 0.02 --pause {pause}
    --unplug {drop} --unplugged 2"""


def sensor(name: str, rule: Rule, options: str = "") -> Kind:
    """Return the row of a Bluetooth sensor that a device finds by its name."""
    settings = {
        "SPOKE_SOURCE": f"ble:Spoke {name}",
        "SPOKE_BLE_TRANSPORT": "{theirs}",
        "SPOKE_WHEEL_M": str(BLE_WHEEL_M),
    }
    words = f"{SENSOR} {options}"
    return Kind(Medium.AIR, rule, words, settings, "sensor_lost", "sensor_connected", 1)


def controller(name: str, rule: Rule, options: str = "", **settings: str) -> Kind:
    """Return the row of hardware at a serial port."""
    settings = {"SPOKE_SOURCE": f"{name}:{{theirs}}", **settings}
    return Kind(Medium.WIRE, rule, f"{WIRE} {options}", settings, "port_lost", "port_back")


KINDS = {
    "simulator": Kind(Medium.NONE, Rule(rules.each_line, rules.near({}), identity="seq")),
    "bosch": Kind(
        Medium.AIR,
        rules.BOSCH,
        f"""{AIR} --mtu 517 517 517 23 --repeated 0.2 --backpedalled 0.4 --others 0.3
            --vanish {{vanish}}""",
        {"SPOKE_SOURCE": "bosch:{theirs}"},
        "bike_lost",
        "bike_connected",
        1,
    ),
    "csc": sensor("csc", rules.revolutions(BLE_WHEEL_M)),
    "power": sensor("power", rules.revolutions(BLE_WHEEL_M), "--offset -60"),
    "ftms": sensor("ftms", rules.FTMS, "--offset -60 --in-pieces"),
    "vesc": controller(
        "vesc",
        rules.VESC,
        f"--wheel {SERIAL_WHEEL_M} --pole-pairs 23",
        SPOKE_WHEEL_M=str(SERIAL_WHEEL_M),
        SPOKE_POLE_PAIRS="23",
    ),
    "bafang": controller(
        "bafang",
        rules.BAFANG,
        f"--wheel {SERIAL_WHEEL_M}",
        SPOKE_WHEEL_M=str(SERIAL_WHEEL_M),
    ),
    "nmea": controller("nmea", rules.NMEA),
    "mqtt": Kind(
        Medium.BROKER,
        rules.MQTT,
        f"""--broker {{ours}} --user {USER} --ca {CA} --password-file {{login}} --retain
            --doubled 0.1 --broken 0.1 --no-speed 0.1 --drop {{drop}}""",
        {
            "SPOKE_SOURCE": "mqtts://{theirs}/bikes/7/#",
            "SPOKE_MQTT_MAP": "examples/mqtt_map.toml",
            "SPOKE_MQTT_USER": USER,
            "SPOKE_MQTT_PASSWORD_FILE": "{login}",
            "SPOKE_MQTT_CA": str(CA),
        },
        "closed its connection",
        "New client connected",
        2,  # the tracker and the device
    ),
}


def pace(seconds: float) -> dict[str, str]:
    """Return how often each disturbance comes, so that a short run has them, too."""
    most_s = max(LEAST_S, seconds / 2.5)
    return {name: f"{min(usual_s, most_s):g}" for name, usual_s in USUAL_S.items()}
