"""A wired gateway without its links: what devices say is put in by hand."""

from pathlib import Path

from flask import Flask

from gateway.app import Gateway, create_app
from gateway.hub import Hub
from gateway.web.auth import Authenticate, let_everybody_in
from shared.reading import CheckedReading, Reading
from shared.settings import load_settings
from tests.processes import ROOT

EPOCH = 1_700_000_000_000
START_MS = 1_700_000_000_000


def make_app(authenticate: Authenticate = let_everybody_in, **settings: str) -> Flask:
    """Create an app with the test settings and these."""
    environ = {"SPOKE_ENV": "test", **settings}
    return create_app(load_settings("gateway", [], environ, Path(ROOT)), authenticate)


def gateway_of(app: Flask) -> Gateway:
    gateway: Gateway = app.extensions["spoke"]
    return gateway


def publish(hub: Hub, device_id: str, seqs: range, epoch: int = EPOCH, **values: object) -> None:
    """Let a device publish readings, one a second, its speed in km/h the number modulo 50."""
    for seq in seqs:
        reading = Reading(
            device_id,
            epoch,
            seq,
            START_MS + 1000 * seq,
            float(seq % 50),
            dict(values),  # type: ignore[arg-type]  # valid ones
        )
        hub.devices.receive(CheckedReading(reading, (), ()), hub.now())
        hub.receiver.ask_questions(hub.now())
