"""Read the places that can hold settings: defaults, files, the environment, flags.

Each place becomes one layer of texts. :mod:`shared.settings` merges the layers and parses the
texts.
"""

import argparse
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from shared.setting_table import BOTH, PREFIX, SETTINGS, Role, Setting

PORT_NAME = "PORT"
"""honcho and most hosting services set this variable to the port to listen on."""

_DESCRIPTION = (
    "Every setting can be given as a flag. The environment, .env and configs/<env>.env can set the"
    " same settings under the name SPOKE_...; a place overrides those named after it."
)
CHECK_HELP = "print where each setting came from and what would be done, and exit"


@dataclass(frozen=True, slots=True)
class Layer:
    """The settings of one place, with a sentence for each error and for each ignored name."""

    place: str
    values: Mapping[str, str]
    problems: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


def default_layer(role: Role) -> Layer:
    """Return the defaults for ``role``."""
    defaults = {
        setting.name: setting.default
        for setting in SETTINGS.values()
        if setting.default is not None and role in setting.default_for
    }
    return Layer("default", defaults)


def file_layer(path: Path, place: str) -> Layer:
    """Read an env file. A file that does not exist gives an empty layer."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows editors add a BOM
    except FileNotFoundError:
        return Layer(place, {})
    except UnicodeDecodeError:
        return Layer(place, {}, (f"{place} is not UTF-8 text: save it as UTF-8",))
    except OSError as error:
        return Layer(place, {}, (f"{place} cannot be read: {error.strerror}",))
    bindings = list(parse_stream(io.StringIO(text)))
    values = {entry.key: entry.value or "" for entry in bindings if entry.key is not None}
    return _known_layer(place, values, tuple(_unreadable_lines(place, bindings)))


def environment_layer(environ: Mapping[str, str], dotenv: Layer) -> Layer:
    """Read the environment.

    An unknown name is not an error here, because other programs set names too. Kubernetes sets
    ``SPOKE_SERVICE_HOST``, ``SPOKE_PORT`` and more for a Service named spoke, and for a Service
    named spoke-gateway it sets ``SPOKE_GATEWAY_PORT`` to a URL.

    honcho copies ``.env`` into the environment of the processes it starts. A value that equals the
    one in ``.env`` therefore counts as set in ``.env`` only. Otherwise a BIND in ``.env`` and a
    CONNECT in the environment would look like two values in one place.
    """
    layer = _known_layer("the environment", environ)
    of_services = [name for name in layer.values if _is_of_kubernetes(name, environ)]
    own = {
        name: text
        for name, text in layer.values.items()
        if dotenv.values.get(name) != text and name not in of_services
    }
    ignored = [
        f"{name} ({layer.place}): Kubernetes has set it for a Service of that name"
        for name in of_services
    ]
    return Layer(layer.place, own, ignored=(*layer.problems, *ignored))


def port_layer(role: Role, environ: Mapping[str, str]) -> Layer:
    """Read ``PORT``, which overrides the gateway's port in all lower layers."""
    port = environ.get(PORT_NAME, "").strip()
    wanted = role == "gateway" and port != ""
    return Layer(f"from {PORT_NAME}", {"SPOKE_GATEWAY_PORT": port} if wanted else {})


def flag_layer(role: Role, argv: Sequence[str]) -> Layer:
    """Read the command line; ``--help`` prints every setting and exits."""
    given, leftover = _parser(role).parse_known_args(argv)
    texts = {
        setting.name: _join(setting, values)
        for setting in SETTINGS.values()
        if (values := getattr(given, setting.field))
    }
    empty = [f"{SETTINGS[name].flag} needs a value" for name, text in texts.items() if not text]
    values = {name: text for name, text in texts.items() if text}
    return Layer("a flag", values, (*_unknown_flags(leftover), *empty))


def suggest(word: str, known: Iterable[str], prefix: str = "") -> str:
    """Return ``; did you mean ...?`` with the closest known name, or an empty text.

    All names begin with ``prefix``, so the comparison ignores it.
    """
    names = [name.removeprefix(prefix) for name in known]
    close = get_close_matches(word.removeprefix(prefix), names, n=1)
    return f"; did you mean {prefix}{close[0]}?" if close else ""


def _known_layer(place: str, texts: Mapping[str, str], problems: tuple[str, ...] = ()) -> Layer:
    """Select the settings from ``texts``: names that begin with ``SPOKE_`` and have a value."""
    ours = {name: text.strip() for name, text in texts.items() if _is_ours(name)}
    unknown = [
        f"{name} ({place}): there is no such setting{suggest(name.upper(), SETTINGS, PREFIX)}"
        for name in ours
        if name not in SETTINGS
    ]
    values = {name: text for name, text in ours.items() if name in SETTINGS and text}
    return Layer(place, values, (*problems, *unknown))


def _is_of_kubernetes(name: str, environ: Mapping[str, str]) -> bool:
    """Tell whether a name is the ``<SERVICE>_PORT`` that Kubernetes sets for a Service.

    Kubernetes then sets ``<SERVICE>_SERVICE_HOST`` as well.
    """
    service = name.removesuffix("_PORT")
    return (
        service != name and f"{service}_SERVICE_HOST" in environ and "://" in environ.get(name, "")
    )


def _is_ours(name: str) -> bool:
    return name.upper().startswith(PREFIX)


def _unreadable_lines(place: str, bindings: Sequence[Binding]) -> Iterator[str]:
    for entry in bindings:
        without_value = entry.key is not None and entry.value is None and _is_ours(entry.key)
        if entry.error or without_value:
            yield f"{place}, line {entry.original.line}: must be NAME=value"


def _parser(role: Role) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f".venv/bin/python -m {role}",
        usage="%(prog)s [--flag value ...]",
        description=_DESCRIPTION,
        allow_abbrev=False,
    )
    groups = {
        ("device",): parser.add_argument_group("the device"),
        ("gateway",): parser.add_argument_group("the gateway"),
        BOTH: parser.add_argument_group("both"),
    }
    parser.add_argument("--check", action="store_true", help=CHECK_HELP)
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    for setting in SETTINGS.values():
        groups[setting.roles].add_argument(
            setting.flag,
            action="append",
            nargs="?",
            const="yes" if setting.is_switch else "",
            metavar="VALUE",
            help=_help(setting),
        )
    return parser


def _help(setting: Setting) -> str:
    whose = "" if setting.default_for == BOTH else f" of the {setting.default_for[0]}"
    default = "" if setting.default is None else f" (default{whose}: {setting.default})"
    return (setting.help + default).replace("%", "%%")


def _join(setting: Setting, values: Sequence[str]) -> str:
    """Return the last of several values; join the values of a list."""
    return ",".join(values) if setting.many else values[-1].strip()


def _unknown_flags(leftover: Sequence[str]) -> Iterator[str]:
    """Report unknown flags and stray words, but never the word after an unknown flag.

    That word is probably its value, which may be a secret.
    """
    flags = [setting.flag for setting in SETTINGS.values()]
    for previous, word in pairwise(("", *leftover)):
        if word.startswith("-"):
            name = word.partition("=")[0]
            yield f"{name}: there is no such flag{suggest(name, flags, '--')}"
        elif not previous.startswith("-"):
            yield f"{word!r}: a value needs a flag in front of it"
