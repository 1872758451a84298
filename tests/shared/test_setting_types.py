"""What the text of each kind of setting may be, and what it becomes."""

import re
from contextlib import suppress
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.setting_table import SETTINGS, Setting
from shared.setting_types import choice, integer, listed, number
from shared.settings import Settings

TYPES = get_type_hints(Settings)

GOOD: list[tuple[str, str, Any]] = [
    ("SPOKE_ENV", "staging-2", "staging-2"),
    ("SPOKE_LOG_LEVEL", "debug", "DEBUG"),
    ("SPOKE_LOG_DIR", "my logs", Path("my logs")),
    ("SPOKE_LOG_FORMAT", "JSON", "json"),
    ("SPOKE_DEVICE_ID", "a" * 64, "a" * 64),
    ("SPOKE_FLEET_SIZE", "10000", 10_000),
    ("SPOKE_SOURCE", "ride:C:\\rides\\a b.fit", "ride:C:\\rides\\a b.fit"),
    ("SPOKE_SOURCE", "stdin", "stdin"),
    ("SPOKE_RATE_HZ", ".5", 0.5),
    ("SPOKE_RATE_HZ", "1000", 1000.0),
    ("SPOKE_SEED", "0", 0),
    ("SPOKE_RIDE_LOOP", "TRUE", True),
    ("SPOKE_RIDE_LOOP", "off", False),
    ("SPOKE_PUB_BIND", "tcp://*:5556", "tcp://*:5556"),
    ("SPOKE_PUB_BIND", "tcp://eth0:5556", "tcp://eth0:5556"),
    ("SPOKE_PUB_BIND", "tcp://[::]:5556", "tcp://[::]:5556"),
    ("SPOKE_PUB_BIND", "ipc:///run/spoke/pub", "ipc:///run/spoke/pub"),
    ("SPOKE_PUB_CONNECT", "tcp://a:1, tcp://[fe80::1]:2,", ("tcp://a:1", "tcp://[fe80::1]:2")),
    ("SPOKE_DEVICES", "ebike-001,bike-*", ("ebike-001", "bike-*")),
    ("SPOKE_GATEWAY_HOST", "0.0.0.0", "0.0.0.0"),  # noqa: S104  # only read
    ("SPOKE_GATEWAY_HOST", "::1", "::1"),
    ("SPOKE_GATEWAY_HOST", "fe80::1%eth0", "fe80::1%eth0"),
    ("SPOKE_GATEWAY_PORT", "65535", 65_535),
    ("SPOKE_CORS_ORIGINS", "https://App.Example.org:443", ("https://app.example.org",)),
    ("SPOKE_CORS_ORIGINS", "http://localhost:5173", ("http://localhost:5173",)),
    ("SPOKE_CORS_ORIGINS", "http://[::1]:443", ("http://[::1]:443",)),
    ("SPOKE_CORS_ORIGINS", "capacitor://localhost,null", ("capacitor://localhost", "null")),
    ("SPOKE_ALLOWED_HOSTS", "Bikes.Example.org,bike-pi", ("bikes.example.org", "bike-pi")),
    ("SPOKE_ALLOWED_HOSTS", "Räder.example", ("xn--rder-loa.example",)),
    ("SPOKE_FLUSH_MS", "0", 0),
    ("SPOKE_REDIS_URL", "redis://localhost", "redis://localhost"),
    ("SPOKE_REDIS_URL", "rediss://me:pw@[::1]:6380/1", "rediss://me:pw@[::1]:6380/1"),
    ("SPOKE_REDIS_URL", "unix:///run/redis.sock?db=1", "unix:///run/redis.sock?db=1"),
]

BAD: list[tuple[str, str, str]] = [
    ("SPOKE_DEVICE_CONNECT", "tcp://[::::]:5556", "must be tcp://host:port"),
    ("SPOKE_GATEWAY_HOST", "bikes..example.org", "must be an address of this machine"),
    ("SPOKE_GATEWAY_HOST", "a" * 64, "must be an address of this machine"),
    ("SPOKE_REDIS_URL", "localhost:6379", "must be redis://host:port/0"),
    ("SPOKE_REDIS_URL", "redis://localhost:70000", "must be redis://host:port/0"),
    ("SPOKE_REDIS_URL", "redis:///0", "must be redis://host:port/0"),
    ("SPOKE_REDIS_URL", "unix://", "must be redis://host:port/0"),
    ("SPOKE_REDIS_URL", "amqp://localhost", "must be redis://host:port/0"),
    ("SPOKE_LOG_LEVEL", "LOUD", "must be TRACE, DEBUG, INFO, SUCCESS, WARNING, ERROR or CRITICAL"),
    ("SPOKE_LOG_DIR", "~/logs", "~ is not expanded here"),
    ("SPOKE_LOG_FORMAT", "xml", "must be text or json"),
    ("SPOKE_DEVICE_ID", "a" * 65, "must be a device id"),
    ("SPOKE_DEVICE_ID", "-a", "must be a device id"),
    ("SPOKE_FLEET_SIZE", "0", "from 1 to 10000"),
    ("SPOKE_FLEET_SIZE", "1e3", "must be a whole number"),
    ("SPOKE_FLEET_SIZE", "1_000", "must be a whole number"),
    ("SPOKE_FLEET_SIZE", "\u0661", "must be a whole number"),
    ("SPOKE_FLEET_SIZE", "9" * 5000, "must be a whole number"),
    ("SPOKE_SOURCE", "ride:", "must be a source such as simulator or ride:<file>"),
    ("SPOKE_BLE_TRANSPORT", "usb", "must be a Bluetooth transport such as usb:0"),
    ("SPOKE_SOURCE", "rides/a.gpx", "must be a source such as simulator or ride:<file>"),
    ("SPOKE_RATE_HZ", "0", "from 0.01 to 1000"),
    ("SPOKE_RATE_HZ", "nan", "from 0.01 to 1000"),
    ("SPOKE_RATE_HZ", "inf", "from 0.01 to 1000"),
    ("SPOKE_RATE_HZ", "2,5", "from 0.01 to 1000"),
    ("SPOKE_SEED", "-1", "from 0 to"),
    ("SPOKE_RIDE_LOOP", "maybe", "must be yes or no"),
    ("SPOKE_PUB_BIND", "5556", "must be tcp://host:port or ipc://path"),
    ("SPOKE_PUB_BIND", "tcp://127.0.0.1", "must be tcp://host:port or ipc://path"),
    ("SPOKE_PUB_BIND", "tcp://127.0.0.1:0", "must be tcp://host:port or ipc://path"),
    ("SPOKE_PUB_BIND", "tcp://127.0.0.1:70000", "must be tcp://host:port or ipc://path"),
    ("SPOKE_PUB_BIND", "tcp://a:1,tcp://b:1", "must be tcp://host:port or ipc://path"),
    ("SPOKE_PUB_BIND", "http://127.0.0.1:5556", "must be tcp://host:port or ipc://path"),
    ("SPOKE_PUB_BIND", "inproc://x", "works within one process only"),
    ("SPOKE_PUB_BIND", "ipc://", "a path of 1 to 103 bytes"),
    ("SPOKE_PUB_BIND", "ipc:///" + "a" * 103, "a path of 1 to 103 bytes"),
    ("SPOKE_PUB_CONNECT", "tcp://*:5556", "must name the machine to connect to"),
    ("SPOKE_PUB_CONNECT", "tcp://0.0.0.0:5556", "must name the machine to connect to"),
    ("SPOKE_PUB_CONNECT", "tcp://[::]:5556", "must name the machine to connect to"),
    ("SPOKE_PUB_CONNECT", "tcp://a:1,tcp://a:1", "must not contain a value twice"),
    ("SPOKE_DEVICES", "*", "must be device ids"),
    ("SPOKE_DEVICES", "a*b", "must be device ids"),
    ("SPOKE_GATEWAY_HOST", "*", "0.0.0.0 means all of them"),
    ("SPOKE_GATEWAY_HOST", "http://localhost", "must be an address of this machine"),
    ("SPOKE_GATEWAY_HOST", "::1%", "must be an address of this machine"),
    ("SPOKE_GATEWAY_HOST", "127.0.0.1%eth0", "must be an address of this machine"),
    ("SPOKE_GATEWAY_PORT", "0", "from 1 to 65535"),
    ("SPOKE_GATEWAY_PORT", "tcp://10.0.0.7:5000", "from 1 to 65535"),
    ("SPOKE_CORS_ORIGINS", "*", "with *, every web page"),
    ("SPOKE_CORS_ORIGINS", "app.example.org", "must be scheme://host or scheme://host:port"),
    ("SPOKE_CORS_ORIGINS", "https://a.org,http://b.org/x", "write http://b.org"),
    ("SPOKE_CORS_ORIGINS", "https://a.org,https://A.org:443", "must not contain a value twice"),
    ("SPOKE_ALLOWED_HOSTS", "https://a.org", "must be host names without scheme and port"),
    ("SPOKE_ALLOWED_HOSTS", "a.org:5000", "must be host names without scheme and port"),
    ("SPOKE_ALLOWED_HOSTS", "*.a.org", "must be host names without scheme and port"),
    ("SPOKE_AUTH", "password", "must be none only"),
    ("SPOKE_AUTH", "JWT", "is not in this version, which has none only"),
]


@pytest.mark.parametrize(("name", "text", "value"), GOOD)
def test_valid_text(name: str, text: str, value: object) -> None:
    assert SETTINGS[name].parse(text) == value


@pytest.mark.parametrize(("name", "text", "reason"), BAD)
def test_wrong_text_gives_reason(name: str, text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        SETTINGS[name].parse(text)


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=lambda setting: setting.name)
@given(text=st.text())
def test_no_text_breaks_a_parser(setting: Setting, text: str) -> None:
    value: object = setting.unset
    with suppress(ValueError):
        value = setting.parse(text)
    assert _is_of_type(value, TYPES[setting.field]) or value is None


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=lambda setting: setting.name)
def test_default_has_field_type(setting: Setting) -> None:
    value = setting.unset if setting.default is None else setting.parse(setting.default)
    assert _is_of_type(value, TYPES[setting.field])


@given(value=st.integers(-(10**17), 10**17))
def test_integer_round_trip(value: int) -> None:
    assert integer(-(10**17), 10**17)(str(value)) == value


@given(value=st.floats(-1000, 1000))
def test_number_round_trip(value: float) -> None:
    assert number(-1000, 1000)(f"{value:.6f}") == pytest.approx(value, abs=1e-6)


@given(words=st.lists(st.sampled_from(["a", "b", "c", "d"]), unique=True, min_size=1))
def test_list_keeps_order(words: list[str]) -> None:
    assert listed(choice("a", "b", "c", "d"))(" , ".join(words)) == tuple(words)


@pytest.mark.parametrize("text", [",", " , ", ",,"])
def test_a_list_of_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="at least one"):
        listed(choice("a"))(text)


def _is_of_type(value: object, hint: Any) -> bool:  # a type, or a form of one
    if get_origin(hint) in (Union, UnionType):
        return any(_is_of_type(value, option) for option in get_args(hint))
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_origin(hint) is tuple:
        item = get_args(hint)[0]
        return isinstance(value, tuple) and all(_is_of_type(part, item) for part in value)
    return type(value) is hint or (isinstance(hint, type) and issubclass(type(value), hint))
