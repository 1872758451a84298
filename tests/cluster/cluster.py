"""Two gateways on one device, and the proxy in front of them."""

import signal
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.proxies import FIRST_GATEWAY, LISTEN, LISTEN_TLS, HAProxy, Nginx
from tests.faults.stage import READY_WAIT_S, Stage
from tests.faults.witnesses import Json, Witnesses
from tests.processes import RunningProcess

GATEWAYS = 2
PATIENT: Json = {"timeout": 20_000, "reconnectionDelay": 500, "reconnectionDelayMax": 2_000}
"""Many clients that connect at once, each several times, would keep a busy machine busy."""
POLLING: Json = {**PATIENT, "transports": ["polling"], "withCredentials": True}
"""With credentials, socket.io-client keeps the proxy's cookie, as a browser does."""
WEBSOCKET: Json = {**PATIENT, "transports": ["websocket"]}


@dataclass
class Cluster:
    """See the module. Nothing runs at first."""

    stage: Stage
    folder: Path
    ports: list[int] = field(init=False)
    """The ports of the gateways."""
    gateways: dict[int, RunningProcess] = field(default_factory=dict)
    """The running gateways, by number. The first one has the number 1, as in HAProxy's names."""

    def __post_init__(self) -> None:
        self.ports = [self.stage.free_port() for _ in range(GATEWAYS)]
        self.stage.pair.web = self.ports[0]

    def start(self, *, rate_hz: float, **more: str | None) -> None:
        """Start the device and all gateways; return when the first one knows the bike."""
        self.start_device(rate_hz=rate_hz)
        for number, _port in enumerate(self.ports, 1):
            self.start_gateway(number, **more)
        self.stage.wait_until_heard()

    def start_device(self, *, rate_hz: float) -> None:
        """Start one bike."""
        self.stage.bikes = self.stage.bikes[:1]
        self.stage.start_device(SPOKE_RATE_HZ=f"{rate_hz:g}")

    def start_gateway(self, number: int, **more: str | None) -> RunningProcess:
        """Start a gateway, also after it was killed."""
        port = str(self.ports[number - 1])
        self.gateways[number] = self.stage.pair.start_gateway(
            None, SPOKE_GATEWAY_PORT=port, SPOKE_TRUSTED_PROXIES="127.0.0.1", **more
        )
        return self.gateways[number]

    def stop_gateway(self, number: int, how: signal.Signals) -> None:
        """Stop or kill a gateway; return after its end."""
        self.gateways.pop(number).stop(how)

    def start_haproxy(self) -> HAProxy:
        """Start HAProxy with the shipped configuration."""
        return HAProxy(self.stage.pair.start_process, self.folder, self._proxy_ports())

    def start_nginx(self) -> Nginx:
        """Start nginx with the shipped configuration."""
        proxy = Nginx(self.stage.pair.start_process, self.folder, self._proxy_ports())
        self.stage.stack.callback(proxy.stop)
        return proxy

    def watch(
        self,
        proxy: HAProxy | Nginx,
        clients: int,
        options: Json,
        ready_s: float = READY_WAIT_S,
    ) -> Witnesses:
        """Start stock clients behind a proxy; return when all are subscribed."""
        return self.stage.watch(
            proxy.port, ready_s=ready_s, clients=clients, options=options, flushMs=250
        )

    def _proxy_ports(self) -> dict[int, int]:
        own = {port: self.stage.free_port() for port in (LISTEN, LISTEN_TLS)}
        return own | {FIRST_GATEWAY + number: port for number, port in enumerate(self.ports)}
