"""Every setting, one row each: the flags, the checks, ``--help`` and the tests are made of these.

``docs/settings.md`` and ``.env.example`` say the same to people; a test compares them.
"""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from shared.origins import PORT_MAX
from shared.setting_types import (
    Parse,
    allowed_host,
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
    yes_or_no,
)

Role: TypeAlias = Literal["device", "gateway"]

PREFIX: Final = "SPOKE_"
DEVICE: Final[tuple[Role, ...]] = ("device",)
GATEWAY: Final[tuple[Role, ...]] = ("gateway",)
BOTH: Final[tuple[Role, ...]] = (*DEVICE, *GATEWAY)

LEVELS = ("TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL")
FLEET_MAX = 10_000
"""More bikes than one process can publish at 1 Hz; beyond it a number is a slip of the finger."""
RATE_HZ_MAX = 1000
"""``interval_ms`` is a whole number of ms, so 1 ms is the shortest."""
SEED_MAX = 2**53 - 1
"""The largest whole number that every program which may show it can hold."""
HISTORY_MIN = 3
"""So that the tail of a group, at least one entry and at most two, is always held in the ring."""
HISTORY_MAX = HISTORY_MB_MAX = CONNECTIONS_MAX = 1_000_000
FLUSH_MS_MAX = 1000
"""A reading that waits longer is no longer live."""
REPAIR_MS_MAX = 60_000
"""What follows a hole is held back meanwhile, and a browser waits with it."""
STALLED_S_MAX = 3600
OUTBOX_MB_MIN = 8
"""Answers to a few clients that ask for everything at once must fit."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: who reads it, what it is without being set, and how its text is read.

    ``default`` is written as a user would write it and holds for the roles in ``default_for``;
    elsewhere the value is None, or () for a setting that is a list (``many``). ``parse`` raises
    ValueError saying what the text must be.
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
        """The name in :class:`shared.settings.Settings`."""
        return self.name.removeprefix(PREFIX).lower()

    @property
    def flag(self) -> str:
        """The name on the command line."""
        return "--" + self.field.replace("_", "-")

    @property
    def is_switch(self) -> bool:
        """Whether the flag alone means yes."""
        return self.parse is yes_or_no

    @property
    def unset(self) -> tuple[()] | None:
        """The value when nobody sets it and it has no default."""
        return () if self.many else None


FIRST_OF_FLEET: Final = "ebike-001"
PUB_ENDPOINT = "tcp://127.0.0.1:5556"
REPLAY_ENDPOINT = "tcp://127.0.0.1:5557"

_ROWS = (
    Setting("SPOKE_ENV", BOTH, "development", environment_name, "which file of configs/ is read"),
    Setting("SPOKE_LOG_LEVEL", BOTH, "INFO", choice(*LEVELS), "the least important lines to log"),
    Setting("SPOKE_LOG_DIR", BOTH, "logs/", file_path, "the folder of the log files"),
    Setting("SPOKE_LOG_FORMAT", BOTH, "text", choice("text", "json"), "text, or json for machines"),
    Setting("SPOKE_DEVICE_ID", DEVICE, FIRST_OF_FLEET, device_id, "the name of the bike"),
    Setting(
        "SPOKE_FLEET_SIZE",
        DEVICE,
        "1",
        integer(1, FLEET_MAX),
        "how many bikes this process is: ebike-001, ebike-002 and so on",
    ),
    Setting(
        "SPOKE_SOURCE",
        DEVICE,
        "simulator",
        source,
        "where readings come from: simulator, or ride:<file> (GPX, TCX, FIT)",
    ),
    Setting(
        "SPOKE_RATE_HZ", DEVICE, "10", number(0.01, RATE_HZ_MAX), "simulated readings a second"
    ),
    Setting(
        "SPOKE_SEED", DEVICE, None, integer(0, SEED_MAX), "the same seed simulates the same ride"
    ),
    Setting(
        "SPOKE_RIDE_PACE",
        DEVICE,
        "1",
        number(0.01, 10_000),
        "how many times as fast as it was ridden a recorded ride goes",
    ),
    Setting(
        "SPOKE_RIDE_LOOP",
        DEVICE,
        "no",
        yes_or_no,
        "whether a recorded ride starts again at its end",
    ),
    Setting("SPOKE_PUB_BIND", DEVICE, PUB_ENDPOINT, bind_endpoint, "where gateways connect to"),
    Setting(
        "SPOKE_PUB_CONNECT",
        DEVICE,
        None,
        listed(connect_endpoint),
        "gateways to connect to, instead of SPOKE_PUB_BIND",
        many=True,
    ),
    Setting(
        "SPOKE_REPLAY_BIND",
        BOTH,
        REPLAY_ENDPOINT,
        bind_endpoint,
        "where the device answers for past readings, or the gateway waits for devices that do",
        default_for=DEVICE,
    ),
    Setting(
        "SPOKE_REPLAY_CONNECT",
        BOTH,
        REPLAY_ENDPOINT,
        listed(connect_endpoint),
        "the other side's SPOKE_REPLAY_BIND",
        default_for=GATEWAY,
        many=True,
    ),
    Setting(
        "SPOKE_JOURNAL",
        DEVICE,
        None,
        file_path,
        "the file that keeps what was published, for replay",
    ),
    Setting(
        "SPOKE_DEVICE_CONNECT",
        GATEWAY,
        PUB_ENDPOINT,
        listed(connect_endpoint),
        "the devices' SPOKE_PUB_BIND",
        many=True,
    ),
    Setting(
        "SPOKE_DEVICE_BIND",
        GATEWAY,
        None,
        bind_endpoint,
        "where devices connect to, instead of SPOKE_DEVICE_CONNECT",
    ),
    Setting(
        "SPOKE_DEVICES",
        GATEWAY,
        None,
        listed(device_pattern),
        "devices that never give way to others: ids, or beginnings such as bike-*",
        many=True,
    ),
    Setting(
        "SPOKE_MAX_DEVICES",
        GATEWAY,
        "1000",
        integer(1, 10_000),
        "how many devices are held at most",
    ),
    Setting("SPOKE_GATEWAY_HOST", GATEWAY, "127.0.0.1", listen_host, "the address to listen on"),
    Setting(
        "SPOKE_GATEWAY_PORT",
        GATEWAY,
        "5000",
        integer(1, PORT_MAX),
        "the port to listen on; PORT in the environment goes before it",
    ),
    Setting(
        "SPOKE_CORS_ORIGINS",
        GATEWAY,
        None,
        listed(origin),
        "origins whose pages may read from the gateway, besides its own",
        many=True,
    ),
    Setting(
        "SPOKE_ALLOWED_HOSTS",
        GATEWAY,
        None,
        listed(allowed_host),
        "host names under which the gateway answers, besides localhost and IP addresses",
        many=True,
    ),
    Setting(
        "SPOKE_TRUSTED_PROXIES",
        GATEWAY,
        None,
        listed(network),
        "proxies whose X-Forwarded-For tells the client's address",
        many=True,
    ),
    Setting(
        "SPOKE_AUTO_SUBSCRIBE",
        GATEWAY,
        "no",
        yes_or_no,
        "send all devices, once a second, to who connects and only listens",
    ),
    Setting(
        "SPOKE_HISTORY_READINGS",
        GATEWAY,
        "6000",
        integer(HISTORY_MIN, HISTORY_MAX),
        "readings held of each device",
    ),
    Setting(
        "SPOKE_HISTORY_MB",
        GATEWAY,
        "256",
        integer(1, HISTORY_MB_MAX),
        "memory for the readings held of all devices together",
    ),
    Setting(
        "SPOKE_FLUSH_MS",
        GATEWAY,
        "0",
        integer(0, FLUSH_MS_MAX),
        "how long readings wait to be sent together; 0 sends at once",
    ),
    Setting(
        "SPOKE_REPAIR_MS",
        GATEWAY,
        "5000",
        integer(1, REPAIR_MS_MAX),
        "how long a missing reading is asked for before a gap is announced",
    ),
    Setting(
        "SPOKE_STALLED_S",
        GATEWAY,
        "30",
        integer(1, STALLED_S_MAX),
        "how long a browser may take nothing before it is disconnected",
    ),
    Setting(
        "SPOKE_OUTBOX_MB",
        GATEWAY,
        "64",
        integer(OUTBOX_MB_MIN, HISTORY_MB_MAX),
        "memory for what all browsers together have not taken yet",
    ),
    Setting(
        "SPOKE_MAX_CONNECTIONS",
        GATEWAY,
        "10000",
        integer(1, CONNECTIONS_MAX),
        "how many browsers are served at most",
    ),
    Setting(
        "SPOKE_AUTH",
        GATEWAY,
        "none",
        choice("none", later=("jwt",)),
        "who may connect: everybody (none); jwt is not in this version",
    ),
)

SETTINGS: Final = {setting.name: setting for setting in _ROWS}
"""The table, by name, in the order of the documentation."""

_PAIRS = (
    ("SPOKE_PUB_BIND", "SPOKE_PUB_CONNECT"),
    ("SPOKE_REPLAY_BIND", "SPOKE_REPLAY_CONNECT"),
    ("SPOKE_DEVICE_BIND", "SPOKE_DEVICE_CONNECT"),
)
OTHER_OF_PAIR: Final = dict(_PAIRS) | {connect: bind for bind, connect in _PAIRS}
"""A socket binds or connects: which setting the other one takes back."""

ENDPOINTS: Final[dict[Role, tuple[str, ...]]] = {
    "device": ("SPOKE_PUB_BIND", "SPOKE_PUB_CONNECT", "SPOKE_REPLAY_BIND", "SPOKE_REPLAY_CONNECT"),
    "gateway": (
        "SPOKE_DEVICE_BIND",
        "SPOKE_DEVICE_CONNECT",
        "SPOKE_REPLAY_BIND",
        "SPOKE_REPLAY_CONNECT",
    ),
}
"""The endpoints each process uses; no two of them can be one."""
