"""The measured servers: their commands, their inputs and the protocols of their clients."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from scripts.benchmarks.processes import free_ports

ROOT = Path(__file__).resolve().parents[2]
STORE = ROOT / ".bench"
"""Downloaded and compiled programs for the benchmark. git ignores this folder."""
HERE = Path(__file__).resolve().parent
CLIENTS_MAX = 20_000


@dataclass(frozen=True)
class Place:
    """The environment of one server: its ports, its folder and its revision."""

    folder: Path
    port: int
    feed_port: int
    flush_ms: int = 0
    root: Path = ROOT
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def endpoint(self) -> str:
        """The source of readings, for servers that receive ZeroMQ."""
        return f"tcp://127.0.0.1:{self.feed_port}"


Command: TypeAlias = tuple[Sequence[str], Mapping[str, str]]


@dataclass(frozen=True)
class Server:
    """One server: its name in tables, its input and the protocol of its clients."""

    title: str
    sink: str
    protocol: str
    command: Callable[[Place], Command]
    needs: tuple[str, ...] = ()


def _spoke(place: Place) -> Command:
    own = {
        "SPOKE_ENV": "production",
        "SPOKE_LOG_FORMAT": "text",
        "SPOKE_LOG_DIR": str(place.folder),
        "SPOKE_GATEWAY_PORT": str(place.port),
        "SPOKE_DEVICE_CONNECT": place.endpoint,
        "SPOKE_REPLAY_BIND": f"tcp://127.0.0.1:{free_ports(1)[0]}",
        "SPOKE_FLUSH_MS": str(place.flush_ms),
        "SPOKE_MAX_CONNECTIONS": str(CLIENTS_MAX),
        "SPOKE_STALLED_S": "600",
        "PYTHONPATH": str(place.root),
    }
    return [sys.executable, "-m", "gateway"], {**own, **place.settings}


def _stock(mode: str) -> Callable[[Place], Command]:
    def command(place: Place) -> Command:
        module = "scripts.benchmarks.peers.stock_gateway"
        argv = [sys.executable, "-m", module, mode, str(place.port), place.endpoint]
        return argv, {"PYTHONPATH": str(ROOT)}

    return command


def _node(place: Place) -> Command:
    script = str(HERE / "peers" / "node_gateway.mjs")
    modules = str(STORE / "node")
    return ["node", script, str(place.port), place.endpoint, modules], {"NODE_ENV": "production"}


def _mosquitto(place: Place) -> Command:
    config = _fill_in("mosquitto.conf", place)
    return ["mosquitto", "-c", str(config)], {}


def _nchan(place: Place) -> Command:
    config = _fill_in("nginx.conf", place)
    argv = ["nginx", "-e", str(place.folder / "nginx.log"), "-p", str(place.folder)]
    return [*argv, "-c", str(config)], {}


def _send_loop(place: Place) -> Command:
    return [str(STORE / "send_loop"), str(place.port)], {}


def _fill_in(name: str, place: Place) -> Path:
    """Write the configuration of a server, with the ports of this run, into its folder."""
    text = (HERE / "peers" / name).read_text("utf-8")
    for key, value in {
        "@PORT@": str(place.port),
        "@FEED_PORT@": str(place.feed_port),
        "@FOLDER@": str(place.folder),
        "@CLIENTS_MAX@": str(CLIENTS_MAX),
    }.items():
        text = text.replace(key, value)
    path = place.folder / name
    path.write_text(text, "utf-8")
    return path


SERVERS: Mapping[str, Server] = {
    "spoke": Server("Spoke", "zeromq", "socketio", _spoke),
    "gevent": Server("Flask-SocketIO, gevent", "zeromq", "socketio", _stock("gevent")),
    "threading": Server("Flask-SocketIO, threads", "zeromq", "socketio", _stock("threading")),
    "node": Server("Node.js, socket.io", "zeromq", "socketio", _node, ("node", "npm")),
    "mosquitto": Server("mosquitto", "mqtt", "mqtt", _mosquitto, ("mosquitto",)),
    "nchan": Server("nchan (nginx)", "nchan", "plain", _nchan, ("nginx",)),
    "loop": Server("C send loop", "loop", "plain", _send_loop),
}
