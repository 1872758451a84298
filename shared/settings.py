"""The settings of a process: read once at its start, checked, frozen.

Later wins: the defaults, ``configs/<env>.env``, ``.env``, the environment, flags. Nothing else in
Spoke reads the environment. The rows are in :mod:`shared.setting_table`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from pathlib import Path
from stat import S_ISDIR
from typing import Any, Literal, NamedTuple

from shared.errors import SettingsError
from shared.setting_layers import (
    Layer,
    default_layer,
    environment_layer,
    file_layer,
    flag_layer,
    port_layer,
    suggest,
)
from shared.setting_table import (
    ENDPOINTS,
    FIRST_OF_FLEET,
    OTHER_OF_PAIR,
    SETTINGS,
    Role,
    Setting,
)

SHOWN_CHARS_MAX = 80
"""Of a wrong value this much is shown: enough to recognise it, one line of a terminal."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting, by its name in lower case without ``SPOKE_``; paths are absolute.

    None, or () for a list, is what is neither set nor has a default.
    """

    env: str
    log_level: str
    log_dir: Path
    log_format: Literal["text", "json"]
    device_id: str
    fleet_size: int
    source: str
    rate_hz: float
    seed: int | None
    ride_pace: float
    ride_loop: bool
    pub_bind: str | None
    pub_connect: tuple[str, ...]
    replay_bind: str | None
    replay_connect: tuple[str, ...]
    journal: Path | None
    device_connect: tuple[str, ...]
    device_bind: str | None
    devices: tuple[str, ...]
    max_devices: int
    gateway_host: str
    gateway_port: int
    cors_origins: tuple[str, ...]
    allowed_hosts: tuple[str, ...]
    trusted_proxies: tuple[str, ...]
    auto_subscribe: bool
    history_readings: int
    history_mb: int
    flush_ms: int
    repair_ms: int
    stalled_s: int
    outbox_mb: int
    max_connections: int
    auth: str
    ignored: tuple[str, ...] = ()
    """A sentence for each name in the environment that is no setting; the log says them."""


class Given(NamedTuple):
    """The text of a setting and where it stands."""

    text: str
    place: str


def load_settings(
    role: Role, argv: Sequence[str], environ: Mapping[str, str], directory: Path
) -> Settings:
    """Read the settings of a process.

    ``argv`` is without the program's name; ``directory`` holds ``.env`` and ``configs/`` and is
    what relative paths start from. Raises SettingsError naming everything that is wrong.
    """
    directory = directory.absolute()
    layers = _read_layers(role, argv, environ, directory)
    merged = merge(layers)
    values, wrong = _parse_all(merged)
    problems = [
        *chain.from_iterable(layer.problems for layer in layers),
        *chain.from_iterable(_both_of_a_pair(layer) for layer in layers),
        *wrong,
        *_endpoints_used_twice(role, values),
        *_name_of_a_fleet(values),
        *_folder_that_cannot_be(values, directory),
    ]
    if problems:
        raise SettingsError(_describe(problems))
    ignored = tuple(chain.from_iterable(layer.ignored for layer in layers))
    return _build(values, directory, ignored)


def merge(layers: Sequence[Layer]) -> dict[str, Given]:
    """Let later layers win; one of a BIND/CONNECT pair takes the other back."""
    merged: dict[str, Given] = {}
    for layer in layers:
        for name in layer.values:
            merged.pop(OTHER_OF_PAIR.get(name, ""), None)
        merged |= {name: Given(text, layer.place) for name, text in layer.values.items()}
    return merged


def _read_layers(
    role: Role, argv: Sequence[str], environ: Mapping[str, str], directory: Path
) -> list[Layer]:
    flags = flag_layer(role, argv)
    dotenv = file_layer(directory / ".env", ".env")
    above = [dotenv, environment_layer(environ, dotenv), port_layer(role, environ), flags]
    return [default_layer(role), _config_layer(above, directory / "configs"), *above]


def _config_layer(above: Sequence[Layer], folder: Path) -> Layer:
    """Read the file that ``SPOKE_ENV`` names; only the default's may be missing."""
    setting = SETTINGS["SPOKE_ENV"]
    chosen = merge(above).get(setting.name, Given(str(setting.default), "default"))
    try:
        _parse(setting, chosen)
    except SettingsError:
        return Layer("configs/", {})  # it is said with all other wrong values
    path, place = folder / f"{chosen.text}.env", f"configs/{chosen.text}.env"
    if chosen.place != "default" and not path.exists():
        return Layer(place, {}, (_missing_file(chosen, folder),))
    layer = file_layer(path, place)
    if setting.name in layer.values:
        return Layer(place, {}, (f"{setting.name} ({place}): it picks this file, so not in it",))
    return layer


def _missing_file(chosen: Given, folder: Path) -> str:
    names = sorted(path.stem for path in folder.glob("*.env"))
    existing = ", ".join(names) if names else "none at all"
    return (
        f"SPOKE_ENV = {chosen.text!r} ({chosen.place}): there is no {chosen.text}.env in {folder};"
        f" there is {existing}{suggest(chosen.text, names)}"
    )


def _parse_all(merged: Mapping[str, Given]) -> tuple[dict[str, Any], list[str]]:
    """Parse what is given; return the values by name, and what is wrong with the others."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    for name, given in merged.items():
        try:
            values[name] = _parse(SETTINGS[name], given)
        except SettingsError as error:
            problems.append(str(error))
    return values, problems


def _parse(setting: Setting, given: Given) -> Any:  # noqa: ANN401  # each setting has its own type
    """Parse one text. Raises SettingsError naming it."""
    try:
        if not given.text.isprintable():
            raise ValueError("must be one line without control characters")
        return setting.parse(given.text)
    except ValueError as error:
        shown = repr(given.text[:SHOWN_CHARS_MAX])
        raise SettingsError(f"{setting.name} = {shown} ({given.place}): {error}") from None


def _both_of_a_pair(layer: Layer) -> Iterator[str]:
    for name in layer.values:
        other = OTHER_OF_PAIR.get(name, "")
        if name < other and other in layer.values:  # each pair once: BIND stands before CONNECT
            yield (
                f"{name} and {other} ({layer.place}): a socket binds or connects, set one of them"
                " (if device and gateway differ, give each its own as a flag)"
            )


def _endpoints_used_twice(role: Role, values: Mapping[str, Any]) -> Iterator[str]:
    for first, second in combinations(ENDPOINTS[role], 2):
        for endpoint in sorted(_endpoints(values, first) & _endpoints(values, second)):
            yield f"{first} and {second} are both {endpoint}: each needs one of its own"


def _endpoints(values: Mapping[str, Any], name: str) -> set[str]:
    value = values.get(name, ())
    return {value} if isinstance(value, str) else set(value)


def _name_of_a_fleet(values: Mapping[str, Any]) -> Iterator[str]:
    size, name = values.get("SPOKE_FLEET_SIZE", 1), values.get("SPOKE_DEVICE_ID", FIRST_OF_FLEET)
    if size > 1 and name != FIRST_OF_FLEET:
        yield (
            f"SPOKE_DEVICE_ID = {name!r} and SPOKE_FLEET_SIZE = {size}: a fleet is named"
            f" {FIRST_OF_FLEET} to ebike-{size:03d}, so leave one of the two out"
        )


def _folder_that_cannot_be(values: Mapping[str, Any], directory: Path) -> Iterator[str]:
    """Refuse a folder of log files that nobody can make; a full or locked disk may mend."""
    folder = values.get("SPOKE_LOG_DIR")
    reason = None if folder is None else _why_no_folder(directory / folder)
    if reason is not None:
        yield f"SPOKE_LOG_DIR = {str(folder)[:SHOWN_CHARS_MAX]!r}: {reason}; give another folder"


def _why_no_folder(folder: Path) -> str | None:
    for place in (folder, *folder.parents):
        try:
            is_folder = S_ISDIR(place.stat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            continue  # what is above it decides
        except PermissionError:
            return None
        except (OSError, RuntimeError) as error:  # too long a name, or links in a circle
            return getattr(error, "strerror", None) or "its links lead in a circle"
        return None if is_folder else f"{place} is no folder"
    return None


def _build(values: Mapping[str, Any], directory: Path, ignored: tuple[str, ...]) -> Settings:
    fields: dict[str, Any] = {}
    for setting in SETTINGS.values():
        value = values.get(setting.name, setting.unset)
        fields[setting.field] = directory / value if isinstance(value, Path) else value
    return Settings(**fields, ignored=ignored)


def _describe(problems: Sequence[str]) -> str:
    if len(problems) == 1:
        return problems[0]
    return "\n  ".join((f"{len(problems)} settings are wrong:", *problems))
