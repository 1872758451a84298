"""Check whether the device or the gateway of this container works: the image's health check.

The command line of process 1 names the process and its flags, so this check reads the same
settings. A gateway must answer over HTTP, a device must publish. Exit codes: 0: it works. 1: it
does not.
"""

import argparse
import os
import re
from collections.abc import Sequence
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from itertools import pairwise
from pathlib import Path

import zmq

from shared.contexts import open_context
from shared.errors import SettingsError
from shared.program import run
from shared.setting_table import BOTH
from shared.settings import Settings, load_settings
from shared.wire import STATUS_TOPIC

WAIT_S = 5.0
"""A device sends a status every second. A healthy gateway answers in milliseconds."""
LOCAL = {"*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1", "[::]": "[::1]"}  # noqa: S104  # text
"""Where to reach a socket that is bound on all addresses."""


def main(argv: Sequence[str] | None = None) -> int:
    """Check process 1, or another one, and print the result."""
    parser = argparse.ArgumentParser(description="Check whether a device or gateway works.")
    parser.add_argument("--pid", type=int, default=1, help="the process (%(default)s)")
    parser.add_argument("--seconds", type=float, default=WAIT_S, help="time limit (%(default)s)")
    options = parser.parse_args(argv)
    command = Path(f"/proc/{options.pid}/cmdline").read_text(encoding="utf-8")
    try:
        result, works = check(command.removesuffix("\0").split("\0"), options.seconds)
    except SettingsError as error:
        result, works = str(error), False
    print(result)
    return 0 if works else 1


def check(command: Sequence[str], wait_s: float) -> tuple[str, bool]:
    """Check the process with this command line. Return a sentence, and whether it works."""
    modules = [word for option, word in pairwise(command) if option == "-m"]
    for role in BOTH:
        if role in modules:
            flags = command[command.index(role) + 1 :]
            return CHECKS[role](load_settings(role, flags, os.environ, Path.cwd()), wait_s)
    return "the process is neither a device nor a gateway", False


def check_gateway(settings: Settings, wait_s: float) -> tuple[str, bool]:
    """Check whether the gateway answers over HTTP."""
    host = LOCAL.get(settings.gateway_host, settings.gateway_host)
    with closing(HTTPConnection(host, settings.gateway_port, timeout=wait_s)) as connection:
        try:
            connection.request("GET", "/healthz")
            status = connection.getresponse().status
        except (OSError, HTTPException) as error:
            return f"the gateway does not answer: {error}", False
    return f"the gateway answers with {status}", status == 200  # noqa: PLR2004  # OK


def check_device(settings: Settings, wait_s: float) -> tuple[str, bool]:
    """Check whether the device publishes a status."""
    if settings.pub_bind is None:
        return "the device connects to gateways: only they can check it", True
    with open_context() as context, context.socket(zmq.SUB) as receiver:
        receiver.linger = 0
        receiver.subscribe(STATUS_TOPIC)
        receiver.connect(local(settings.pub_bind))
        works = receiver.poll(int(wait_s * 1000)) > 0
    return f"the device {'publishes' if works else 'is silent'}", works


def local(endpoint: str) -> str:
    """Return the endpoint to connect to for one that is bound."""
    match = re.fullmatch(r"tcp://(.+):(\d+)", endpoint)
    return f"tcp://{LOCAL.get(match[1], match[1])}:{match[2]}" if match else endpoint


CHECKS = {"device": check_device, "gateway": check_gateway}

if __name__ == "__main__":
    run(main)
