"""Load the settings of a process once, when it starts.

How it works. Each place that can hold settings is read into a layer
(:mod:`shared.setting_layers`). From lowest to highest they are: the defaults,
``configs/<env>.env``, ``.env``, the environment, flags. A higher layer overrides a lower one, and
setting one of a BIND/CONNECT pair also withdraws the other from lower layers. The merged texts are
then parsed by the table (:mod:`shared.setting_table`), and rules that concern several settings are
checked. All errors are collected and reported together. No other code in Spoke reads the
environment.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, combinations
from pathlib import Path
from stat import S_ISDIR
from typing import Any, NamedTuple

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
    Settings,
)

__all__ = ["Settings", "load_settings"]

SHOWN_CHARS_MAX = 80
"""How much of a wrong value an error shows: enough to recognise it, and one line of a terminal."""


class Given(NamedTuple):
    """The text of a setting and the place that sets it."""

    text: str
    place: str


def load_settings(
    role: Role, argv: Sequence[str], environ: Mapping[str, str], directory: Path
) -> Settings:
    """Load the settings of a process; see :func:`load_with_places`."""
    return load_with_places(role, argv, environ, directory)[0]


def load_with_places(
    role: Role, argv: Sequence[str], environ: Mapping[str, str], directory: Path
) -> tuple[Settings, Mapping[str, Given]]:
    """Load the settings of a process; also return the text of each and the place that sets it.

    ``argv`` excludes the program's name. ``directory`` holds ``.env`` and ``configs/``, and
    relative paths start there. Raises SettingsError, whose text names every error.
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
    return _build(values, directory, ignored), merged


def merge(layers: Sequence[Layer]) -> dict[str, Given]:
    """Merge layers, lowest first. One of a BIND/CONNECT pair withdraws the other from below."""
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
    """Read the file that ``SPOKE_ENV`` names; only the file of the default may be missing."""
    setting = SETTINGS["SPOKE_ENV"]
    chosen = merge(above).get(setting.name, Given(str(setting.default), "default"))
    try:
        _parse(setting, chosen)
    except SettingsError:
        return Layer("configs/", {})  # _parse_all reports this error with the others
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
    """Parse every text. Return the valid values by name, and an error for each other text."""
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
        shown = "(hidden)" if setting.is_secret else repr(given.text[:SHOWN_CHARS_MAX])
        raise SettingsError(f"{setting.name} = {shown} ({given.place}): {error}") from None


def _both_of_a_pair(layer: Layer) -> Iterator[str]:
    for name in layer.values:
        other = OTHER_OF_PAIR.get(name, "")
        if name < other and other in layer.values:  # once per pair: BIND sorts before CONNECT
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
    """Refuse a log folder that can never be created. A full or locked disk is no such error."""
    folder = values.get("SPOKE_LOG_DIR")
    reason = None if folder is None else _why_no_folder(directory / folder)
    if reason is not None:
        yield f"SPOKE_LOG_DIR = {str(folder)[:SHOWN_CHARS_MAX]!r}: {reason}; give another folder"


def _why_no_folder(folder: Path) -> str | None:
    for place in (folder, *folder.parents):
        try:
            is_folder = S_ISDIR(place.stat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            continue  # look at the folder above
        except PermissionError:
            return None
        except (
            OSError,
            RuntimeError,
        ) as error:  # the name is too long, or symbolic links form a loop
            return getattr(error, "strerror", None) or "its symbolic links form a loop"
        return None if is_folder else f"{place} is not a folder"
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
