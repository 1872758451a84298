"""The table of all settings. Each is declared once: type, readers, default, check, help text.

The flags, the checks, ``--help`` and the tests are made from this table. ``docs/settings.md`` and
``.env.example`` describe the same settings for people; a test compares them with the table.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from shared.origins import PORT_MAX
from shared.redis_url import redis_url
from shared.setting_types import (
    Parse,
    allowed_host,
    base_path,
    bind_endpoint,
    choice,
    connect_endpoint,
    device_id,
    device_pattern,
    environment_name,
    file_path,
    integer,
    listed,
    listen_host,
    network,
    number,
    origin,
    source,
    transport,
    yes_or_no,
)

Role: TypeAlias = Literal["device", "gateway"]

PREFIX: Final = "SPOKE_"
DEVICE: Final[tuple[Role, ...]] = ("device",)
GATEWAY: Final[tuple[Role, ...]] = ("gateway",)
BOTH: Final[tuple[Role, ...]] = (*DEVICE, *GATEWAY)

LEVELS = ("TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL")
FLEET_MAX = 10_000
"""One process cannot publish more bikes at 1 Hz. A larger number is a typing error."""
RATE_HZ_MAX = 1000
"""``interval_ms`` is a whole number of ms, so 1 ms is the shortest interval."""
SEED_MAX = 2**53 - 1
"""JavaScript represents larger integers inexactly, and a page may show the seed."""
HISTORY_MIN = 3
"""The ring must always hold the tail of a group, which has one or two entries."""
HISTORY_MAX = HISTORY_MB_MAX = CONNECTIONS_MAX = 1_000_000
FLUSH_MS_MAX = 1000
"""A reading that waits longer is no longer live."""
REPAIR_MS_MAX = 60_000
"""The gateway holds back all readings after a missing one for this long, so browsers wait too."""
STALLED_S_MAX = 3600
OUTBOX_MB_MIN = 8
"""The answers to a few clients that request everything at the same time must fit."""

FIRST_OF_FLEET: Final = "ebike-001"
PUB_ENDPOINT = "tcp://127.0.0.1:5556"
REPLAY_ENDPOINT = "tcp://127.0.0.1:5557"


@dataclass(frozen=True, slots=True)
class Setting:
    """The description of one setting.

    ``default`` is written as a user would write it and applies to the roles in ``default_for``.
    For another role, or without a default, the value is None, or () for a list (``many``).
    ``parse`` turns the text into the value; it raises ValueError with a text such as
    "must be yes or no".
    """

    name: str
    roles: tuple[Role, ...]
    default: str | None
    parse: Parse
    help: str
    default_for: tuple[Role, ...] = BOTH
    many: bool = False

    @property
    def field(self) -> str:
        """The name in :class:`Settings`."""
        return self.name.removeprefix(PREFIX).lower()

    @property
    def flag(self) -> str:
        """The name on the command line."""
        return "--" + self.field.replace("_", "-")

    @property
    def is_switch(self) -> bool:
        """Whether the flag without a value means yes."""
        return self.parse is yes_or_no

    @property
    def is_secret(self) -> bool:
        """Whether errors must not show the value."""
        return self.parse is redis_url

    @property
    def unset(self) -> tuple[()] | None:
        """The value when nothing sets it and it has no default."""
        return () if self.many else None


def setting(
    roles: tuple[Role, ...],
    default: str | None,
    parse: Parse,
    help: str,  # noqa: A002  # the name that argparse gives it
    default_for: tuple[Role, ...] = BOTH,
    *,
    many: bool = False,
) -> Any:  # noqa: ANN401  # the field has its own type
    """Declare a field of :class:`Settings` with the description of its setting."""
    row = Setting("", roles, default, parse, help, default_for, many)
    return field(metadata={"setting": row})


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a process. A field has the setting's name in lower case, without ``SPOKE_``.

    Paths are absolute. The value of a setting without value and default is None, or () for a list.
    """

    env: str = setting(BOTH, "development", environment_name, "which configs/ file to read")
    log_level: str = setting(BOTH, "INFO", choice(*LEVELS), "log lines of this level and above")
    log_dir: Path = setting(BOTH, "logs/", file_path, "the folder for log files")  # noqa: RUF009  # a field
    log_format: Literal["text", "json"] = setting(
        BOTH, "text", choice("text", "json"), "the form of log lines: text, or json"
    )
    device_id: str = setting(DEVICE, FIRST_OF_FLEET, device_id, "the id of the bike")
    fleet_size: int = setting(
        DEVICE,
        "1",
        integer(1, FLEET_MAX),
        "how many bikes this process simulates: ebike-001, ebike-002 and so on",
    )
    source: str = setting(
        DEVICE,
        "simulator",
        source,
        "the source of readings, such as simulator or ride:<file>; docs/devices.md lists them",
    )
    rate_hz: float = setting(
        DEVICE, "10", number(0.01, RATE_HZ_MAX), "simulated readings per second"
    )
    seed: int | None = setting(
        DEVICE, None, integer(0, SEED_MAX), "the same seed simulates the same ride"
    )
    ride_pace: float = setting(
        DEVICE, "1", number(0.01, 10_000), "how many times faster to play a recorded ride"
    )
    ride_loop: bool = setting(
        DEVICE, "no", yes_or_no, "whether to repeat a recorded ride after its end"
    )
    wheel_m: float | None = setting(
        DEVICE, None, number(0.3, 4), "the circumference of the wheel in m, for speed sensors"
    )
    pole_pairs: int | None = setting(
        DEVICE, None, integer(1, 100), "the motor's pairs of poles, for a VESC controller"
    )
    gear: float = setting(
        DEVICE, "1", number(0.01, 100), "turns of the motor for one turn of the wheel, for a VESC"
    )
    serial_baud: int | None = setting(
        DEVICE, None, integer(300, 4_000_000), "the speed of the serial port, if it is unusual"
    )
    mqtt_map: Path | None = setting(  # noqa: RUF009  # a field
        DEVICE, None, file_path, "the file that maps the fields of MQTT messages"
    )
    mqtt_user: str | None = setting(DEVICE, None, str, "the user at the MQTT broker")
    mqtt_password_file: Path | None = setting(  # noqa: RUF009  # a field
        DEVICE, None, file_path, "the file whose first line is the password at the MQTT broker"
    )
    mqtt_ca: Path | None = setting(  # noqa: RUF009  # a field
        DEVICE, None, file_path, "the file with the CA of the MQTT broker, if it is your own"
    )
    ble_transport: str | None = setting(
        DEVICE,
        None,
        transport,
        "the Bluetooth controller, such as usb:0, instead of the system's Bluetooth",
    )
    pub_bind: str | None = setting(
        DEVICE, PUB_ENDPOINT, bind_endpoint, "the endpoint that gateways connect to"
    )
    pub_connect: tuple[str, ...] = setting(
        DEVICE,
        None,
        listed(connect_endpoint),
        "gateways to connect to, instead of SPOKE_PUB_BIND",
        many=True,
    )
    replay_bind: str | None = setting(
        BOTH,
        REPLAY_ENDPOINT,
        bind_endpoint,
        "the endpoint for replay requests: the device, or a gateway to which devices connect,"
        " listens here",
        default_for=DEVICE,
    )
    replay_connect: tuple[str, ...] = setting(
        BOTH,
        REPLAY_ENDPOINT,
        listed(connect_endpoint),
        "the SPOKE_REPLAY_BIND of the other side",
        default_for=GATEWAY,
        many=True,
    )
    journal: Path | None = setting(  # noqa: RUF009  # a field
        DEVICE, None, file_path, "the file that stores published readings for replay"
    )
    device_connect: tuple[str, ...] = setting(
        GATEWAY,
        PUB_ENDPOINT,
        listed(connect_endpoint),
        "the SPOKE_PUB_BIND of each device",
        many=True,
    )
    device_bind: str | None = setting(
        GATEWAY,
        None,
        bind_endpoint,
        "the endpoint that devices connect to, instead of SPOKE_DEVICE_CONNECT",
    )
    devices: tuple[str, ...] = setting(
        GATEWAY,
        None,
        listed(device_pattern),
        "devices that the gateway never evicts: ids, or prefixes such as bike-*",
        many=True,
    )
    max_devices: int = setting(GATEWAY, "1000", integer(1, 10_000), "the maximum number of devices")
    gateway_host: str = setting(GATEWAY, "127.0.0.1", listen_host, "the address to listen on")
    gateway_port: int = setting(
        GATEWAY,
        "5000",
        integer(1, PORT_MAX),
        "the port to listen on; PORT in the environment overrides it",
    )
    cors_origins: tuple[str, ...] = setting(
        GATEWAY,
        None,
        listed(origin),
        "other origins whose pages may read from the gateway",
        many=True,
    )
    allowed_hosts: tuple[str, ...] = setting(
        GATEWAY,
        None,
        listed(allowed_host),
        "host names of the gateway, besides localhost and IP addresses",
        many=True,
    )
    trusted_proxies: tuple[str, ...] = setting(
        GATEWAY,
        None,
        listed(network),
        "proxies whose X-Forwarded-For header holds the client's address",
        many=True,
    )
    base_path: str = setting(
        GATEWAY, "/", base_path, "the path of the gateway's URLs behind a proxy, such as /spoke"
    )
    auto_subscribe: bool = setting(
        GATEWAY,
        "no",
        yes_or_no,
        "whether a client that does not subscribe gets all devices, once per second",
    )
    history_readings: int = setting(
        GATEWAY,
        "6000",
        integer(HISTORY_MIN, HISTORY_MAX),
        "how many readings of each device to keep",
    )
    history_mb: int = setting(
        GATEWAY,
        "256",
        integer(1, HISTORY_MB_MAX),
        "memory in MB for the readings of all devices together",
    )
    flush_ms: int = setting(
        GATEWAY,
        "0",
        integer(0, FLUSH_MS_MAX),
        "how long to collect readings before sending them, in ms; 0 sends at once",
    )
    repair_ms: int = setting(
        GATEWAY,
        "5000",
        integer(1, REPAIR_MS_MAX),
        "how long to request a missing reading before announcing a gap, in ms",
    )
    stalled_s: int = setting(
        GATEWAY,
        "30",
        integer(1, STALLED_S_MAX),
        "disconnect a browser that reads nothing for this long, in s",
    )
    outbox_mb: int = setting(
        GATEWAY,
        "64",
        integer(OUTBOX_MB_MIN, HISTORY_MB_MAX),
        "memory in MB for data that browsers have not read yet, all together",
    )
    max_connections: int = setting(
        GATEWAY, "10000", integer(1, CONNECTIONS_MAX), "the maximum number of browsers"
    )
    redis_url: str | None = setting(
        GATEWAY,
        None,
        redis_url,
        "the Redis through which operators announce to all clients of all gateways",
    )
    metrics: bool = setting(
        GATEWAY, "no", yes_or_no, "whether /metrics answers other machines, too"
    )
    metrics_port: int | None = setting(
        DEVICE,
        None,
        integer(1, PORT_MAX),
        "the port on 127.0.0.1 where the device serves its metrics",
    )
    auth: str = setting(
        GATEWAY,
        "none",
        choice("none", later=("jwt",)),
        "how clients log in: none, so everybody may connect; jwt is not in this version",
    )
    ignored: tuple[str, ...] = ()
    """A sentence for each name in the environment that is not a setting, for the log."""


def _rows() -> Iterator[Setting]:
    for each in fields(Settings):
        if "setting" in each.metadata:
            yield replace(each.metadata["setting"], name=f"{PREFIX}{each.name.upper()}")


SETTINGS: Final = {row.name: row for row in _rows()}
"""The table, by name, in the order of the documentation."""

_PAIRS = (
    ("SPOKE_PUB_BIND", "SPOKE_PUB_CONNECT"),
    ("SPOKE_REPLAY_BIND", "SPOKE_REPLAY_CONNECT"),
    ("SPOKE_DEVICE_BIND", "SPOKE_DEVICE_CONNECT"),
)
OTHER_OF_PAIR: Final = dict(_PAIRS) | {connect: bind for bind, connect in _PAIRS}
"""A socket binds or connects, so setting one of a pair withdraws the other."""

ENDPOINTS: Final[dict[Role, tuple[str, ...]]] = {
    "device": ("SPOKE_PUB_BIND", "SPOKE_PUB_CONNECT", "SPOKE_REPLAY_BIND", "SPOKE_REPLAY_CONNECT"),
    "gateway": (
        "SPOKE_DEVICE_BIND",
        "SPOKE_DEVICE_CONNECT",
        "SPOKE_REPLAY_BIND",
        "SPOKE_REPLAY_CONNECT",
    ),
}
"""The endpoints of each process. No two of them may be equal."""
