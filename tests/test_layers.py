"""Who may import whom, read from the source: no module is run for it."""

import ast
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("shared", "device", "gateway")
MAY_IMPORT = {
    "shared": {"shared"},
    "device": {"device", "shared"},
    "gateway": {"gateway", "shared"},
}
JUDGES_AS_A_GATEWAY = (
    "device/check/probe.py",
    "device/check/messages.py",
    "device/check/sequence.py",
)
"""The first exception: ``device.check`` judges by the gateway's own feed, which is pure."""
RECORDS_AS_A_GATEWAY = ("device/record/recorder.py", "device/record/listening.py")
"""``device.record`` listens to bikes, orders and repairs by the gateway's own code."""
STAND_ALONE = ("gateway.watch", "gateway.transport")
"""Packages of the gateway that import nothing else of it.

``gateway.watch`` is a client: it knows the gateway by its protocol only. ``gateway.transport``
serves other applications, too.
"""
OUTSIDE_WORLD = {
    *("zmq", "flask", "flask_socketio", "gevent", "loguru"),
    *("asyncio", "concurrent", "multiprocessing", "select", "selectors", "threading"),
    *("http", "socket", "ssl", "subprocess", "urllib"),
    *("io", "os", "shutil", "signal", "sqlite3", "tempfile"),
    *("logging", "random", "secrets", "time"),
}
"""What the core gets handed instead: clocks, random streams, sockets, files and logs."""


def core_modules() -> list[str]:
    """Return the core's files: the list whose coverage is measured."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    modules: list[str] = settings["tool"]["coverage"]["run"]["include"]
    return modules


def crossings(root: Path, core: list[str]) -> list[str]:
    """Return every import under ``root`` that breaks a rule, each in one sentence."""
    return [
        *(found for package in PACKAGES for found in _foreign_packages(root, package)),
        *(found for module in core for found in _impure_imports(root, module, core)),
        *(found for package in STAND_ALONE for found in _imports_of_the_gateway(root, package)),
    ]


def _foreign_packages(root: Path, package: str) -> Iterator[str]:
    for path in sorted((root / package).rglob("*.py")):
        name = str(path.relative_to(root))
        for line, module in _imports(path):
            imported = module.partition(".")[0]
            if imported not in {*PACKAGES, "scripts", "tests"} - MAY_IMPORT[package]:
                continue
            judges = name in JUDGES_AS_A_GATEWAY and _is_of_the_feed(module)
            records = name in RECORDS_AS_A_GATEWAY and _is_before_the_ring(module)
            if not (judges or records):
                yield f"{name}:{line} imports {module}: {package} may not"


def _is_of_the_feed(module: str) -> bool:
    return module.startswith(("gateway.feed.", "gateway.domain."))


def _is_before_the_ring(module: str) -> bool:
    return _is_of_the_feed(module) or module.startswith("gateway.upstream.")


def _impure_imports(root: Path, module: str, core: list[str]) -> Iterator[str]:
    for line, imported in _imports(root / module):
        top = imported.partition(".")[0]
        if top in OUTSIDE_WORLD:
            yield f"{module}:{line} imports {imported}: the core knows no outside world"
        if top in PACKAGES and _file_of(root, imported) not in core:
            yield f"{module}:{line} imports {imported}: the core imports only the core"


def _imports_of_the_gateway(root: Path, package: str) -> Iterator[str]:
    """Yield what a package that stands alone imports of the rest of the gateway."""
    for path in sorted((root / Path(*package.split("."))).rglob("*.py")):
        for line, module in _imports(path):
            if module.partition(".")[0] == "gateway" and not f"{module}.".startswith(f"{package}."):
                yield f"{path.relative_to(root)}:{line} imports {module}: {package} may not"


def _file_of(root: Path, module: str) -> str:
    """Return the file of a dotted name, which may name something inside a module."""
    path = Path(*module.split("."))
    if (root / path).with_suffix(".py").exists():
        return str(path.with_suffix(".py"))
    if (root / path / "__init__.py").exists():
        return str(path / "__init__.py")
    return str(path.parent.with_suffix(".py"))


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of everything that ``path`` imports, wherever it does so."""
    yield from _imports_in(path.read_text())


@cache
def _imports_in(code: str) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports name their package in full"
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return found


def test_every_import_points_the_right_way() -> None:
    assert crossings(ROOT, core_modules()) == []


def test_every_module_of_the_core_is_there() -> None:
    assert [module for module in core_modules() if not (ROOT / module).is_file()] == []


def test_only_modules_of_the_core_call_themselves_pure() -> None:
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("[!_]*.py")]
    names = [str(it.relative_to(ROOT)) for it in files if "Pure" in module_docstring(it)]
    assert set(names) <= set(core_modules())
    assert "gateway/feed/feed.py" in names


def module_docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text())) or ""


def test_a_module_that_imports_nothing_impure_is_found_clean(tmp_path: Path) -> None:
    plant(tmp_path, "shared/cursor.py", "import re\nfrom typing import NamedTuple\n")
    assert crossings(tmp_path, ["shared/cursor.py"]) == []


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("device/ride.py", "import gateway"),
        ("device/ride.py", "import gateway.devices.ring"),
        ("device/publisher.py", "from gateway import ring"),
        ("gateway/app.py", "from device.journal import MemoryJournal"),
        ("shared/wire.py", "from device.ride import step"),
        ("shared/settings.py", "import gateway.web.limits as limits"),
        ("gateway/app.py", "from scripts import keep"),
        ("device/sources/simulator.py", "def late():\n    import gateway"),
        ("device/fleet.py", "if TYPE_CHECKING:\n    from gateway.devices.ring import Ring"),
    ],
)
def test_an_import_across_the_packages_is_found(tmp_path: Path, module: str, code: str) -> None:
    plant(tmp_path, module, code)
    (found,) = crossings(tmp_path, [])
    assert found.startswith(f"{module}:")


def test_the_check_may_import_the_feed_and_nothing_else_of_the_gateway(tmp_path: Path) -> None:
    plant(tmp_path, "device/check/sequence.py", "from gateway.feed.feed import Feed")
    assert crossings(tmp_path, []) == []
    plant(tmp_path, "device/check/sequence.py", "from gateway.hub import Hub")
    plant(tmp_path, "device/publisher.py", "from gateway.feed.feed import Feed")
    assert len(crossings(tmp_path, [])) == 2


def test_the_recorder_may_import_feed_and_upstream_and_nothing_else(tmp_path: Path) -> None:
    code = "from gateway.feed.feed import Feed\nfrom gateway.upstream.subscriber import Subscriber"
    plant(tmp_path, "device/record/recorder.py", code)
    assert crossings(tmp_path, []) == []
    plant(tmp_path, "device/record/recorder.py", "from gateway.devices.devices import Devices")
    plant(tmp_path, "device/record/file.py", code)
    assert len(crossings(tmp_path, [])) == 3


@pytest.mark.parametrize("package", STAND_ALONE)
@pytest.mark.parametrize(
    "code",
    [
        "import gateway",
        "from gateway import __version__",
        "from gateway.web.limits import cost_of",
        "def late():\n    import gateway.watchdog",
        "from gateway.transporter import send",
    ],
)
def test_imports_of_packages_that_stand_alone(tmp_path: Path, package: str, code: str) -> None:
    module = f"{package.replace('.', '/')}/view.py"
    plant(tmp_path, module, f"from {package} import follow\nimport shared.origins")
    assert crossings(tmp_path, []) == []
    plant(tmp_path, module, code)
    assert len(crossings(tmp_path, [])) == 1


@pytest.mark.parametrize("name", sorted(OUTSIDE_WORLD))
def test_an_outside_world_in_the_core_is_found(tmp_path: Path, name: str) -> None:
    plant(tmp_path, "gateway/feed/feed.py", f"import {name}")
    assert crossings(tmp_path, ["gateway/feed/feed.py"]) == [
        f"gateway/feed/feed.py:1 imports {name}: the core knows no outside world"
    ]


@pytest.mark.parametrize(
    "code", ["import os.path", "from time import monotonic", "def late():\n    import gevent.event"]
)
def test_part_of_an_outside_world_in_the_core_is_found(tmp_path: Path, code: str) -> None:
    plant(tmp_path, "gateway/feed/feed.py", code)
    assert len(crossings(tmp_path, ["gateway/feed/feed.py"])) == 1


@pytest.mark.parametrize(
    "code", ["from gateway.app import create_app", "import gateway.app", "from gateway import app"]
)
def test_a_shell_imported_by_the_core_is_found(tmp_path: Path, code: str) -> None:
    plant(tmp_path, "gateway/app.py", "import socket")
    plant(tmp_path, "gateway/feed/feed.py", code)
    assert len(crossings(tmp_path, ["gateway/feed/feed.py"])) == 1


def plant(root: Path, module: str, code: str) -> None:
    """Append ``code`` to a module below ``root``, made if it is not there."""
    path = root / module
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(f"{code}\n")


def test_no_import_cycles() -> None:
    assert list(cycles(import_graph(ROOT))) == []


def test_no_cycles_between_packages_of_the_transport() -> None:
    assert list(cycles(package_graph(import_graph(ROOT), "gateway.transport"))) == []


def test_cycle_between_packages_is_found(tmp_path: Path) -> None:
    plant(tmp_path, "shared/p/a.py", "import shared.q.b\n")
    plant(tmp_path, "shared/q/b.py", "")
    plant(tmp_path, "shared/q/c.py", "import shared.p.d\n")
    plant(tmp_path, "shared/p/d.py", "")
    assert list(cycles(package_graph(import_graph(tmp_path), "shared"))) == [
        {"shared.p", "shared.q"}
    ]


def test_import_cycle_is_found(tmp_path: Path) -> None:
    plant(tmp_path, "shared/a.py", "from shared import b\n")
    plant(tmp_path, "shared/b.py", "from shared.c import x\n")
    plant(tmp_path, "shared/c.py", "if TYPE_CHECKING:\n    import shared.a\n")
    plant(tmp_path, "shared/d.py", "import shared.a\n")
    assert list(cycles(import_graph(tmp_path))) == [{"shared.a", "shared.b", "shared.c"}]


def import_graph(root: Path) -> dict[str, set[str]]:
    """Map each module to the modules it imports, those for type checkers included."""
    paths = [path for package in (*PACKAGES, "scripts") for path in (root / package).rglob("*.py")]
    names = {".".join(path.relative_to(root).with_suffix("").parts): path for path in paths}
    names = {name.removesuffix(".__init__"): path for name, path in names.items()}
    return {
        name: {
            found
            for _line, imported in _imports(path)
            for found in (imported if imported in names else imported.rpartition(".")[0],)
            if found in names and found != name
        }
        for name, path in names.items()
    }


def package_graph(graph: dict[str, set[str]], above: str) -> dict[str, set[str]]:
    """Map each package directly below a package to those that its modules import."""
    depth = above.count(".") + 2

    def package_of(module: str) -> str:
        return ".".join(module.split(".")[:depth])

    below = {name: found for name, found in graph.items() if name.startswith(f"{above}.")}
    packages: dict[str, set[str]] = {package_of(name): set() for name in below}
    for name, imported in below.items():
        others = {package_of(other) for other in imported if other in below}
        packages[package_of(name)] |= others - {package_of(name)}
    return packages


def cycles(graph: dict[str, set[str]]) -> Iterator[set[str]]:
    """Yield the sets of modules that import each other, in one or several steps."""
    reached = {name: _reachable(graph, name) for name in graph}
    seen: set[str] = set()
    for name in sorted(graph):
        if name in reached[name] and name not in seen:
            members = {other for other in reached[name] if name in reached[other]}
            seen |= members
            yield members


def _reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = [*graph[start]]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(graph[name])
    return found
