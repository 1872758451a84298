"""The worker of gunicorn that runs a whole gateway: ``configs/gunicorn.conf.py`` names it.

It is gunicorn's gevent worker with two differences. It serves with the gateway's own
``WebServer``, so all limits hold that hold for ``python -m gateway``. And it does not monkey-patch,
because the gateway's threads must be native ones.

How a reload works. On SIGHUP the master starts a new worker and sends SIGTERM to the old one. The
old worker stops accepting, sends its clients the readings due, and closes their transports. New
connections wait in the listening socket, which both workers share, until the new worker is ready.
The clients reconnect there and resume; the new worker fetches the readings before from the devices.

How a wrong setting ends gunicorn. The master ends with 2, as ``python -m gateway`` does: by itself
before it forks (``check_address``, ``GatewayWorker.check_config``), or because a worker exited with
``Arbiter.APP_LOAD_ERROR``, which is 2 here. A worker loads no other application, so gunicorn does
not use this code for anything else.
"""

import errno
import os
import signal
import socket
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

import gevent
import zmq
from gevent import socket as gevent_socket
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.workers.ggevent import GeventWorker
from loguru import logger

from gateway.__main__ import MISCONFIGURED, run
from gateway.descriptors import within_descriptors
from shared.console import tell
from shared.errors import SettingsError
from shared.logs import setup_logging
from shared.notify import Notifier
from shared.settings import Settings, load_settings

HANDOVER_S = 15.0
"""How long a new worker waits until the old one has freed the endpoints for devices."""
FREED_S = 5.0
"""How long a starting gunicorn waits for an address in use."""
LOOK_S = 0.1
BEAT_S = 1.0
ONE_WORKER = (
    "gunicorn must run one worker, on one address, without TLS: a polling client must reach the"
    " process that has its session. Start more gateways instead (docs/cluster.md)"
)


class GunicornNotifier(Notifier):
    """Tells gunicorn's master that the event loop turns; the master kills a worker that hangs."""

    def __init__(self, worker: GeventWorker) -> None:
        super().__init__({})
        self.every_s = BEAT_S
        self._worker = worker

    def tell(self, state: bytes) -> None:
        """Do nothing: the master itself tells the supervisor."""

    def beat(self) -> None:
        """Send a beat; stop if the master is gone."""
        self._worker.tmp.notify()
        if self._worker.ppid != os.getppid():
            os.kill(os.getpid(), signal.SIGTERM)


class GatewayWorker(GeventWorker):  # type: ignore[misc]  # gunicorn has no types
    """Runs a gateway until the master stops it; see the module."""

    @classmethod
    def check_config(cls, cfg: Config, _log: object) -> None:
        """End the master before it starts a worker in vain."""
        Arbiter.APP_LOAD_ERROR = MISCONFIGURED
        if cfg.workers != 1 or len(cfg.address) != 1 or cfg.is_ssl:
            _end(ONE_WORKER)

    def patch(self) -> None:
        """Make the sockets gevent's own, and patch nothing."""
        for place, it in enumerate(self.sockets):
            own = gevent_socket.socket(it.FAMILY, socket.SOCK_STREAM, fileno=it.sock.detach())
            self.sockets[place] = own

    def load_wsgi(self) -> None:
        """Do nothing: the gateway makes its application itself."""

    def handle_quit(self, *_signal: object) -> None:
        """Stop as on SIGTERM: a quick stop drains, too."""
        os.kill(os.getpid(), signal.SIGTERM)

    def run(self) -> None:
        """Serve until a signal arrives; exit with the gateway's code."""
        try:
            settings = load_settings("gateway", [], os.environ, Path.cwd())
            log = setup_logging(settings, "gateway")
            if len(self.sockets) != 1 or self.cfg.workers != 1 or self.cfg.is_ssl:
                raise SettingsError(ONE_WORKER)
            notifier = GunicornNotifier(self)
            wait_until_free(bound_endpoints(settings), notifier)
            listener = self.sockets[0]
            listener.setblocking(False)
            code = run(*within_descriptors(settings), notifier, log, listener)
        except SettingsError as error:
            logger.critical(str(error))
            code = Arbiter.APP_LOAD_ERROR  # the master ends, too
        sys.exit(code)


def check_address(arbiter: Arbiter) -> None:
    """End the master if it cannot listen on its addresses, which it is about to open.

    An address in use may become free: the gunicorn before may be about to end.
    """
    if arbiter.master_pid or "LISTEN_FDS" in os.environ:
        return  # the sockets come from the gunicorn before or from systemd
    ends_s = time.monotonic() + FREED_S
    for host, port in [it for it in arbiter.cfg.address if isinstance(it, tuple)]:
        while (error := _listening_error(host, port)) is not None:
            if error.errno != errno.EADDRINUSE or time.monotonic() > ends_s:
                _end(
                    f"the gateway cannot listen on {host} port {port}: {error.strerror}; check"
                    " SPOKE_GATEWAY_HOST and SPOKE_GATEWAY_PORT"
                )
            time.sleep(LOOK_S)


def _listening_error(host: str, port: int) -> OSError | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        return error
    return None


def _end(sentence: str) -> NoReturn:
    tell(f"{sentence}\n")
    sys.exit(MISCONFIGURED)


def bound_endpoints(settings: Settings) -> list[str]:
    """Return the TCP endpoints on which this gateway listens to devices."""
    endpoints = (settings.device_bind, settings.replay_bind)
    return [it for it in endpoints if it is not None and it.startswith("tcp://")]


def wait_until_free(endpoints: Iterable[str], notifier: Notifier) -> None:
    """Wait until the worker before has closed its sockets, or :data:`HANDOVER_S` have passed."""
    ends_s = time.monotonic() + HANDOVER_S
    with zmq.Context() as context:
        for endpoint in endpoints:
            while time.monotonic() < ends_s and not _is_free(context, endpoint):
                notifier.beat()
                gevent.sleep(LOOK_S)


def _is_free(context: "zmq.Context[zmq.Socket[bytes]]", endpoint: str) -> bool:
    """Tell whether no process holds an endpoint; another error is the gateway's to explain."""
    try:
        with context.socket(zmq.SUB) as probe:
            probe.bind(endpoint)
    except zmq.ZMQError as error:
        return error.errno != errno.EADDRINUSE
    return True
