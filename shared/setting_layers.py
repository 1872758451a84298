"""Where settings come from: files, the environment, flags. Each place is one layer.

A layer is only read here. What it may say and which layer wins is decided in
:mod:`shared.settings`.
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
"""Where honcho and most hosting services put the port to listen on."""

_DESCRIPTION = (
    "Every setting can be given as a flag. The same settings, as SPOKE_..., can stand in the"
    " environment, in .env and in configs/<env>.env; what comes first in this list wins."
)


@dataclass(frozen=True, slots=True)
class Layer:
    """The settings of one place, what in it is wrong, and what in it is left out."""

    place: str
    values: Mapping[str, str]
    problems: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


def default_layer(role: Role) -> Layer:
    """Return what holds for ``role`` when nothing is set."""
    defaults = {
        setting.name: setting.default
        for setting in SETTINGS.values()
        if setting.default is not None and role in setting.default_for
    }
    return Layer("default", defaults)


def file_layer(path: Path, place: str) -> Layer:
    """Read an env file; one that does not exist is an empty layer."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows editors put a BOM in front
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

    An unknown name is no error there: others set names as well. Kubernetes sets
    ``SPOKE_SERVICE_HOST``, ``SPOKE_PORT`` and more for a Service named spoke, and for one named
    spoke-gateway a ``SPOKE_GATEWAY_PORT`` that is a URL.

    honcho copies ``.env`` into the environment of what it starts. What stands there unchanged is
    no second opinion, so it is left to ``.env``: another line of the environment can then replace
    its BIND by a CONNECT.
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
    """Read ``PORT``: the gateway's port, whatever the settings below say."""
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
    """Return a question naming what was probably meant, or nothing; ``prefix`` says nothing."""
    names = [name.removeprefix(prefix) for name in known]
    close = get_close_matches(word.removeprefix(prefix), names, n=1)
    return f"; did you mean {prefix}{close[0]}?" if close else ""


def _known_layer(place: str, texts: Mapping[str, str], problems: tuple[str, ...] = ()) -> Layer:
    """Keep the settings out of ``texts``; an empty value sets nothing, other names are not ours."""
    ours = {name: text.strip() for name, text in texts.items() if _is_ours(name)}
    unknown = [
        f"{name} ({place}): there is no such setting{suggest(name.upper(), SETTINGS, PREFIX)}"
        for name in ours
        if name not in SETTINGS
    ]
    values = {name: text for name, text in ours.items() if name in SETTINGS and text}
    return Layer(place, values, (*problems, *unknown))


def _is_of_kubernetes(name: str, environ: Mapping[str, str]) -> bool:
    """Tell whether a name is ``<SERVICE>_PORT`` of a Service, which has a host as well."""
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
    """Take the last of several; a list given in several flags is one list."""
    return ",".join(values) if setting.many else values[-1].strip()


def _unknown_flags(leftover: Sequence[str]) -> Iterator[str]:
    """Name what no flag is; a word behind an unknown flag is its value, and may be a secret."""
    flags = [setting.flag for setting in SETTINGS.values()]
    for previous, word in pairwise(("", *leftover)):
        if word.startswith("-"):
            name = word.partition("=")[0]
            yield f"{name}: there is no such flag{suggest(name, flags, '--')}"
        elif not previous.startswith("-"):
            yield f"{word!r}: there is nothing to be given without a flag"
