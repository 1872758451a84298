"""The documents say what is there, all of it, and nothing else; what they show works."""

import ast
import re
import signal
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import gateway.transport
from gateway.domain import SHOWN_FAULTS, DropReason, FaultReason, GapReason
from gateway.packets import reading_frame
from gateway.schema.asyncapi import ANNOUNCEMENT
from gateway.web.events import EVENTS
from shared.errors import RequestError, SpokeError
from shared.setting_table import PUB_ENDPOINT, SETTINGS
from tests.conftest import StartProcess
from tests.gateway.apps import make_app
from tests.processes import ROOT, RunningProcess
from tests.system.pair import Pair

PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
}
README, PROTOCOL = PAGES["README.md"], PAGES["docs/protocol.md"]
ARCHITECTURE = PAGES["docs/architecture.md"]
EXAMPLE = (ROOT / "examples" / "my_bike.py").read_text(encoding="utf-8")
PACKAGES = ("shared", "device", "gateway")
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"(?:\.?[\w-]+/)+[\w.-]*|[\w-]+\.(?:md|txt|toml|py|js|example)")
NONE = "\N{EN DASH}"
SAYS_WHAT_IS_WRONG = "there is no such setting"
"""Where a page shows the error for a wrong name, the name is wrong on purpose."""


@pytest.fixture
def pair(start_process: StartProcess, free_port: Callable[[], int]) -> Pair:
    """A device and a gateway that know each other's ports; nothing runs yet."""
    return Pair(start_process, web=free_port(), live=free_port(), replay=free_port())


# --- links, files, commands --------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    targets = [link.partition("#")[0] for link in LINK.findall(PAGES[page])]
    local = [target for target in targets if target and "://" not in target]
    assert [target for target in local if not (ROOT / page).parent.joinpath(target).exists()] == []


def test_every_decision_is_in_the_index() -> None:
    folder = "docs/decisions/"
    records = {page.removeprefix(folder) for page in PAGES if page.startswith(folder)}
    assert set(LINK.findall(PAGES[f"{folder}README.md"])) == records - {"README.md"}


@pytest.mark.parametrize("page", ["README.md", "docs/architecture.md", "CHANGELOG.md"])
def test_every_file_that_is_named_is_there(page: str) -> None:
    assert [path for path in named_paths(PAGES[page]) if not is_there(path)] == []


def test_every_command_of_the_readme_is_there() -> None:
    scripts = set(re.findall(r"scripts/[\w-]+(?!\S*\.py)", README))
    modules = set(re.findall(r"python -m ([\w.]+)", README))
    assert scripts >= {"scripts/start", "scripts/test", "scripts/install"}
    assert [name for name in scripts if not is_executable(ROOT / name)] == []
    assert modules >= {"device", "gateway", "device.check"}
    assert [name for name in modules - {"venv"} if not is_runnable(name)] == []


def test_the_processes_that_the_readme_starts_are_in_the_procfile() -> None:
    named = re.findall(r"scripts/start (\w+)`|honcho start -c (\w+)=", README)
    lines = (ROOT / "Procfile").read_text(encoding="utf-8").splitlines()
    processes = {line.partition(":")[0] for line in lines}
    assert {name for names in named for name in names if name} == {"gateway"} & processes


# --- what others depend on ---------------------------------------------------------------------


def test_every_event_is_in_the_protocol_and_no_other() -> None:
    sent = set(event_names()) | {"speed_change", ANNOUNCEMENT}
    assert b'["speed_change",' in reading_frame(b"{}")
    rows = re.findall(r"^\| `(\w+)` \|", section(PROTOCOL, "## 3."), re.MULTILINE)
    assert set(rows) == sent | set(EVENTS)


def test_every_error_code_is_in_the_protocol_and_no_other() -> None:
    codes = {SpokeError.code, *(kind.code for kind in subclasses(RequestError))}
    assert listed_after(PROTOCOL, "error: {code, message}}` with one of") == codes


def test_every_reason_of_a_gap_is_in_the_protocol_and_no_other() -> None:
    assert listed_after(PROTOCOL, "Reasons:") == set(GapReason)


def test_every_reason_to_refuse_a_device_is_in_the_documents() -> None:
    assert [reason for reason in SHOWN_FAULTS if f"`{reason}`" not in PROTOCOL] == []
    assert [reason for reason in FaultReason if f"`{reason}`" not in ARCHITECTURE] == []


def test_every_counter_is_in_the_architecture() -> None:
    counted = {
        *constants_passed("shared", {"BadMessage", "_refused"}, positions={0}),
        *constants_passed("gateway", {"BadMessage"}, positions={0}),
        *FaultReason,
        *DropReason,
        *constants_indexing("gateway", "counts"),
    }
    keys = {"speed_kmh", "ts_ms", "state", "model"}  # what _refused names is counted as invalid
    assert [name for name in counted - keys if f"`{name}`" not in ARCHITECTURE] == []


def test_every_http_route_is_in_the_protocol_and_no_other() -> None:
    rules = [str(rule) for rule in make_app().url_map.iter_rules() if rule.endpoint != "static"]
    documented = re.findall(r"^\| `GET ([^`]+)` \|", section(PROTOCOL, "## 4."), re.MULTILINE)
    assert sorted(documented) == sorted(rule.replace("<device_id>", "<id>") for rule in rules)


@pytest.mark.parametrize("page", PAGES)
def test_every_setting_that_is_named_exists(page: str) -> None:
    lines = [line for line in PAGES[page].splitlines() if SAYS_WHAT_IS_WRONG not in line]
    named = set(re.findall(r"SPOKE_[A-Z][A-Z_]*[A-Z]", "\n".join(lines)))
    assert named - set(SETTINGS) == set()


def test_the_defaults_in_the_readme_are_right() -> None:
    rows = re.findall(r"^\| `(SPOKE_\w+)` \| (\S+) \|", README, re.MULTILINE)
    wrong = [
        name for name, shown in rows if shown.strip("`" + NONE) != (SETTINGS[name].default or "")
    ]
    assert len(rows) > 5
    assert wrong == []


# --- the inside --------------------------------------------------------------------------------


def test_the_architecture_names_every_module() -> None:
    names = {
        path.stem
        for package in PACKAGES
        for folder in packages_under(ROOT / package)
        if "transport" not in folder.parts  # general: its own docstring describes it
        for path in folder.iterdir()
        if (path.suffix == ".py" and not path.stem.startswith("__")) or is_package(path)
    }
    told = {Path(word).stem for word in CODE.findall(ARCHITECTURE)}
    assert names - told == set()


def test_the_transport_names_its_modules_and_no_others() -> None:
    folder = ROOT / "gateway" / "transport"
    modules = {path.relative_to(folder) for path in folder.rglob("[!_]*.py")}
    table = (gateway.transport.__doc__ or "").split("===\n")[1]
    rows = re.findall(r"^``(\w+)/``(.*(?:\n .*)*)", table, re.MULTILINE)
    told = {
        Path(package, f"{name}.py")
        for package, cells in rows
        for name in re.findall(r"``(\w+)``", cells)
    }
    assert told == modules


def test_the_architecture_names_the_core_as_it_is_measured() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    core = {Path(module) for module in settings["tool"]["coverage"]["run"]["include"]}
    rows = re.findall(
        r"^\| `([\w/]+)/` \| ([^|]+) \|", section(ARCHITECTURE, "## Pure"), re.MULTILINE
    )
    told = {Path(package, f"{name}.py") for package, cells in rows for name in CODE.findall(cells)}
    assert told == core


# --- what the README shows works ---------------------------------------------------------------


def test_the_readme_shows_the_example_as_it_is() -> None:
    assert [block for kind, block in FENCE.findall(README) if kind == "python"] == [EXAMPLE]


def test_a_bike_of_ones_own_reaches_a_stock_client(pair: Pair, start_process: StartProcess) -> None:
    pair.start_gateway()
    subscribe = ["subscribe", {"devices": ["my-bike"]}]
    witness = pair.watch(emit=[subscribe], until={"event": "device_status", "count": 3})
    witness.wait_for("device_status")
    bike = start_process(["python", "-c", at_port(EXAMPLE, pair.live)])
    witness.wait_for("speed_change", count=2)
    bike.stop(signal.SIGTERM)  # at once: SIGINT would leave the end to libzmq, which can hang
    assert witness.process.wait() == 0
    assert {reading["speed_kmh"] for reading in witness.bodies("speed_change")} == {21.5}
    assert [status["online"] for status in witness.bodies("device_status")] == [False, True, False]


def test_the_readmes_three_steps_work(pair: Pair, start_process: StartProcess) -> None:
    pair.start_gateway(SPOKE_AUTO_SUBSCRIBE="yes")
    page = run_javascript(0, pair, start_process)
    fast = EXAMPLE.replace("21.5}", "20 + seq * 2}")
    start_process(["python", "-c", at_port(fast, pair.live)])
    page.wait_for_line(r"^\d+$")
    assert page.wait() == 0  # it disconnected by itself


def test_the_readmes_follow_gets_everything_that_is_held(
    pair: Pair, start_process: StartProcess
) -> None:
    pair.start_device(SPOKE_RATE_HZ="50")
    pair.start_gateway()
    page = run_javascript(1, pair, start_process)
    page.wait_for_line(r"^\d+ [\d.]+$", count=20)
    numbers = [int(line.split()[0]) for line in page.output.splitlines()]
    assert numbers == list(range(1, len(numbers) + 1))


# --- helpers -----------------------------------------------------------------------------------


def run_javascript(number: int, pair: Pair, start_process: StartProcess) -> RunningProcess:
    """Run a JavaScript block of the README against a gateway of the test's own."""
    blocks = [block for kind, block in FENCE.findall(README) if kind == "js"]
    code = blocks[number].replace("http://localhost:5000", pair.url)
    code = code.replace('"./spoke.js"', '"./gateway/static/spoke.js"')
    assert code != blocks[number]
    return start_process(["node", "--input-type=module", "--eval", code])


def at_port(example: str, port: int) -> str:
    """Move the example away from the default endpoint, which another program may have."""
    assert example.count(PUB_ENDPOINT) == 1
    return example.replace(PUB_ENDPOINT, f"tcp://127.0.0.1:{port}")


def section(page: str, heading: str) -> str:
    """Return a section of a page, up to the next heading of its rank."""
    return page.partition(f"\n{heading}")[2].partition("\n## ")[0]


def listed_after(page: str, words: str) -> set[str]:
    """Return the words in backticks between ``words`` and the end of the sentence."""
    return set(CODE.findall(page.partition(words)[2].partition(".")[0]))


def named_paths(page: str) -> Iterator[str]:
    """Yield every path in backticks; what stands behind ``<`` is a user's own."""
    for code in CODE.findall(FENCE.sub("", page)):
        yield from (found for found in PATH.findall(code) if found == code)


def is_there(path: str) -> bool:
    """Tell whether a path is one of the project, or the end of one."""
    made_by_running = {"logs/", ".env", "node_modules/", "gateway/static/vendor/"}
    folders = (folder for package in PACKAGES for folder in packages_under(ROOT / package))
    places = (ROOT, *folders)
    return path in made_by_running or any((place / path).exists() for place in places)


def is_executable(path: Path) -> bool:
    return path.stat().st_mode & 0o111 != 0


def packages_under(root: Path) -> Iterator[Path]:
    return (path.parent for path in root.rglob("__init__.py"))


def is_package(path: Path) -> bool:
    return (path / "__init__.py").exists()


def is_runnable(module: str) -> bool:
    path = ROOT / Path(*module.split("."))
    return (path / "__main__.py").exists() or path.with_suffix(".py").exists()


def subclasses(kind: type[SpokeError]) -> Iterator[type[SpokeError]]:
    """Yield a class and everything below it."""
    yield kind
    for child in kind.__subclasses__():
        yield from subclasses(child)


def nodes(place: str) -> Iterator[ast.AST]:
    """Yield everything in the syntax trees of a file, or of the modules of a package."""
    path = ROOT / place
    for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
        yield from ast.walk(ast.parse(file.read_text(encoding="utf-8")))


def texts(node: ast.AST) -> Iterator[str]:
    """Yield the words an expression may be: a constant, or either side of a condition."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from (*texts(node.body), *texts(node.orelse))


def constants_passed(
    place: str, functions: set[str], positions: set[int] | None = None
) -> Iterator[str]:
    """Yield the words passed to calls of some functions, at some positions or all."""
    for node in nodes(place):
        if isinstance(node, ast.Call) and name_of(node.func) in functions:
            for position, argument in enumerate(node.args):
                if positions is None or position in positions:
                    yield from texts(argument)


def constants_indexing(place: str, table: str) -> Iterator[str]:
    """Yield the words that a table is indexed by."""
    for node in nodes(place):
        if isinstance(node, ast.Subscript) and name_of(node.value) == table:
            yield from texts(node.slice)


def event_names() -> Iterator[str]:
    """Yield the names of the events that the gateway sends."""
    yield from constants_passed("gateway", {"event_frame", "emit"}, positions={0})


def name_of(node: ast.AST) -> str | None:
    """Return the last name of ``a.b.c``."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


GUIDES = [
    "README.md",
    "docs/clients.md",
    "docs/dashboard.md",
    "docs/settings.md",
    "docs/protocol.md",
]


@pytest.mark.parametrize(
    "path",
    [
        *(ROOT / name for name in GUIDES),
        *(path for path in (ROOT / "examples").glob("*.*")),
        *(ROOT / "gateway" / "templates").rglob("*.html"),
        *(ROOT / "gateway" / "static" / "dashboard").glob("*.js"),
    ],
    ids=lambda path: path.name,
)
def test_commands_name_the_python_that_has_the_packages(path: Path) -> None:
    bare = re.findall(r"(?<!/)\bpython3? (?:-m (?:gateway|device)|examples/)\S*", path.read_text())
    assert bare == []
