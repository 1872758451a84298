"""``python -m gateway``: run the gateway until SIGTERM, SIGINT or SIGHUP.

Exit codes: 0 stopped by a signal, 1 a bug, 2 a setting is wrong or a port cannot be used.
"""

if __name__ == "__main__":
    from shared.begin import begin

    begin()  # before the imports below, which take a while

    from shared.unneeded import leave_out

    leave_out("aiohttp", "requests", "websocket")  # of python-engineio's clients

import errno
import os
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack
from logging import getLogger
from pathlib import Path

import gevent
from gevent.event import AsyncResult
from loguru import logger

from gateway import __version__
from gateway.app import Gateway, create_app, load_templates
from gateway.cycles import collect_rarely
from gateway.decorators import stops_process_on_error
from gateway.descriptors import share_of_descriptors, within_descriptors
from gateway.plan import plan
from gateway.shutdown import drain
from gateway.transport import WebServer
from gateway.web.api import INSTALL_HINT, libraries_missing
from shared.about import about
from shared.addresses import page_url, socket_address
from shared.console import put_out, tell
from shared.errors import SettingsError
from shared.log_signals import block_signals, serve_signals
from shared.logs import Log, setup_logging
from shared.notify import READY, STOPPING, Notifier
from shared.program import run as run_program
from shared.setting_report import report
from shared.settings import Settings, load_with_places
from shared.signals import ending_signals

STOPPED, CRASHED, MISCONFIGURED = 0, 1, 2
LISTEN_QUEUE = 4096
"""The listen queue (``backlog``): connections that the kernel accepts ahead of the gateway. All
browsers may reconnect at once after a restart."""


def main() -> int:
    """Run the gateway; return the exit code."""
    argv = sys.argv[1:]
    if "--version" in argv:
        put_out(about("gateway", __version__))
        return STOPPED
    try:
        settings, given = load_with_places("gateway", argv, os.environ, Path.cwd())
        if "--check" in argv:
            sentences = plan(settings, share_of_descriptors(settings)[1])
            put_out("\n".join(report("gateway", settings, given, [*sentences])) + "\n")
            return STOPPED
        block_signals()
        log = setup_logging(settings, "gateway")
        serve_signals(log)
    except SettingsError as error:
        tell(f"{error}\n")
        return MISCONFIGURED
    try:
        return run(*within_descriptors(settings), Notifier(), log)
    except SettingsError as error:
        logger.critical(str(error))
        return MISCONFIGURED
    except Exception:
        logger.exception("gateway_crashed")
        return CRASHED


def run(
    settings: Settings,
    http_connections: int,
    notifier: Notifier,
    log: Log,
    listener: socket.socket | None = None,
) -> int:
    """Serve until a signal arrives or the hub's loop dies; return the exit code.

    ``listener``: a listening socket that other processes share, instead of one of its own.
    """
    gevent.get_hub().print_exception = _log_greenlet_error  # type: ignore[assignment,method-assign]  # gevent prints to stderr
    ended: AsyncResult[int] = AsyncResult()
    _end_on_signals(ended)
    app = create_app(settings)
    load_templates(app)
    gateway: Gateway = app.extensions["spoke"]
    server = open_server(settings, gateway, http_connections, listener)
    gateway.hub.start()
    gateway.socketio.server.start_queue()
    log.greenlets.append(
        gevent.spawn(stops_process_on_error(_end_by_crash(ended))(gateway.hub.run))
    )
    gateway.stalls.start(gevent.get_hub().loop)
    notifier.tell(READY)
    beats = _beat(notifier)
    _report_start(settings, gateway)
    collect_rarely()
    code: int = ended.get()  # type: ignore[assignment]  # get() returns None only after a timeout
    notifier.tell(STOPPING)
    if code == STOPPED:
        drain(gateway, server, accepts=listener is None)
    gateway.hub.stop()
    beats.close()
    gateway.stalls.stop()
    logger.info("gateway_stopped", code=code)
    return code


def _beat(notifier: Notifier) -> ExitStack:
    """Send watchdog beats to the supervisor from a timer of the loop, until this is closed."""
    beats = ExitStack()
    if notifier.every_s is not None:
        notifier.beat()
        timer = gevent.get_hub().loop.timer(notifier.every_s, notifier.every_s)
        beats.callback(timer.close)
        beats.callback(timer.stop)
        timer.start(notifier.beat)
    return beats


def open_server(
    settings: Settings,
    gateway: Gateway,
    http_connections: int,
    listener: socket.socket | None = None,
) -> WebServer:
    """Listen for browsers, or use ``listener``; raises SettingsError if the port cannot be used.

    ``http_connections``: so many connections that belong to no session are served at once.
    """
    address = (settings.gateway_host, settings.gateway_port)
    errors = getLogger("web_server")
    try:
        server = WebServer(
            listener or socket_address(*address),
            gateway.app,
            backlog=None if listener else LISTEN_QUEUE,
            max_connections=http_connections,
            takes_chunks=False,
            proxies=gateway.proxies,
            log=None,
            error_log=errors,
        )
        server.start()
    except OSError as error:
        raise SettingsError(_explain(error, *address)) from error
    return server


def _explain(error: OSError, host: str, port: int) -> str:
    where = f"the gateway cannot listen on {host} port {port}"
    if error.errno == errno.EADDRINUSE:
        return (
            f"{where}: another program uses it; stop that program, or choose another port with "
            "--gateway-port (on macOS, AirPlay uses port 5000: switch its receiver off or choose "
            "5050)"
        )
    if error.errno == errno.EACCES:
        return f"{where}: only root may use ports below 1024; choose another with --gateway-port"
    return f"{where}: {error.strerror}; check SPOKE_GATEWAY_HOST"


def _end_on_signals(ended: "AsyncResult[int]") -> None:
    for number in ending_signals():
        gevent.signal_handler(number, ended.set, STOPPED)


def _end_by_crash(ended: "AsyncResult[int]") -> Callable[[BaseException], None]:
    def crash(error: BaseException) -> None:
        logger.opt(exception=error).critical("gateway_loop_died")
        ended.set(CRASHED)

    return crash


def _log_greenlet_error(
    context: object,
    kind: type[BaseException] | None,
    error: BaseException | str | None,
    _trace: object,
) -> None:
    if isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE}:
        logger.error("descriptors_used_up", why=error.strerror, where=str(context)[:80])
    elif kind is not None and issubclass(kind, Exception) and isinstance(error, Exception):
        logger.opt(exception=error).error("greenlet_failed", where=str(context))


def _report_start(settings: Settings, gateway: Gateway) -> None:
    logger.info(
        "gateway_started",
        version=__version__,
        url=page_url(settings.gateway_host, settings.gateway_port, settings.base_path),
        host=settings.gateway_host,
        devices=settings.device_bind or ",".join(settings.device_connect),
        replay=settings.replay_bind or ",".join(settings.replay_connect) or "none",
    )
    with gateway.app.app_context():
        if libraries_missing():
            logger.warning("dashboard_unavailable", why=INSTALL_HINT)


if __name__ == "__main__":
    run_program(main)
