"""``python -m device.proxy``: forward between many bikes and gateways until a signal comes.

Exit codes: 0: stopped by a signal. 1: a bug. 2: an endpoint cannot be used.
"""

if __name__ == "__main__":
    from shared.begin import begin

    begin()  # before the imports below, which take a while

import argparse
import signal
import socket
from collections.abc import Sequence

from loguru import logger

from device.proxy.forwarding import Endpoints, open_proxy
from shared.arguments import ArgumentParser
from shared.console import tell
from shared.contexts import open_context
from shared.errors import SettingsError
from shared.log_lines import line_of, text_line
from shared.program import run as run_program
from shared.setting_table import FLEET_MAX
from shared.setting_types import bind_endpoint
from shared.signals import ending_signals

STOPPED, UNUSABLE = 0, 2
ENDPOINTS = {
    "bikes-live": ("tcp://127.0.0.1:5558", "where bikes connect SPOKE_PUB_CONNECT"),
    "bikes-replay": ("tcp://127.0.0.1:5559", "where bikes connect SPOKE_REPLAY_CONNECT"),
    "gateways-live": ("tcp://127.0.0.1:5556", "where gateways connect SPOKE_DEVICE_CONNECT"),
    "gateways-replay": ("tcp://127.0.0.1:5557", "where gateways connect SPOKE_REPLAY_CONNECT"),
}
"""The default and the meaning of each endpoint. Gateways find the proxy without settings."""


def main(argv: Sequence[str] | None = None) -> int:
    """Forward until a signal comes; return the exit code."""
    options = _options(argv)
    logger.remove()
    logger.add(lambda one: tell(text_line(line_of(one.record))), level="INFO")
    endpoints = Endpoints(
        options.bikes_live, options.bikes_replay, options.gateways_live, options.gateways_replay
    )
    stop, stopper = socket.socketpair()
    stopper.setblocking(False)
    for number in ending_signals():
        signal.signal(number, lambda _number, _frame: None)
    signal.set_wakeup_fd(stopper.fileno())
    try:
        with open_context() as context, open_proxy(context, endpoints, options.devices) as proxy:
            logger.info("forwarding", **vars(options))
            proxy.run(stop)
        logger.info("stopped", **proxy.counts)
    except SettingsError as error:
        tell(f"{error}\n")
        return UNUSABLE
    return STOPPED


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = ArgumentParser(
        prog=".venv/bin/python -m device.proxy",
        description="Forward between many bikes and gateways: both connect to this process.",
    )
    for name, (default, text) in ENDPOINTS.items():
        parser.add_argument(
            f"--{name}",
            metavar="ENDPOINT",
            default=default,
            type=_endpoint,
            help=f"{text} (%(default)s)",
        )
    parser.add_argument(
        "--devices",
        type=_devices,
        default=1_000,
        metavar="N",
        help="the number of bikes that the queues have room for (%(default)s)",
    )
    return parser.parse_args(argv)


def _devices(text: str) -> int:
    number = int(text)
    if not 1 <= number <= FLEET_MAX:
        raise argparse.ArgumentTypeError(f"{text} is not from 1 to {FLEET_MAX}")
    return number


def _endpoint(text: str) -> str:
    try:
        return bind_endpoint(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from error


if __name__ == "__main__":
    run_program(main)
