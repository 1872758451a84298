"""The table of all bounds together, in docs/architecture.md, is what the code and defaults say."""

import re
from pathlib import Path

import pytest

from gateway.descriptors import HTTP_SPARE
from gateway.fanout.subscription_budget import ENTRIES_MAX, ENTRY_BYTES
from gateway.feed.reorder_buffer import ALL_HELD_MAX
from gateway.transport.http.http_body import PIECE_BYTES
from gateway.transport.http.http_head import HEAD_BYTES_MAX
from gateway.transport.polling.post_body import ALL_BODIES_BYTES_MAX
from gateway.transport.server.engine_sessions import MAX_TOTAL_INBOX_BYTES
from gateway.transport.socketio.socketio_packets import PARSED_FACTOR
from gateway.upstream.sockets import (
    LIVE_FRAME_BYTES_MAX,
    LIVE_QUEUE_BYTES,
    PEERS_A_DEVICE,
    REPLAY_BYTES_KEPT,
    REPLAY_FRAME_BYTES_MAX,
    REPLAY_QUEUE_BYTES,
)
from gateway.web.answers import ANSWERS_BYTES_MAX
from shared.log_sinks import LINES_WAITING_MAX
from shared.setting_table import SETTINGS
from shared.settings import load_settings
from shared.wire import READING_BYTES_MAX
from tests.processes import ROOT

SECTION = "### All bounds together"
ROW = re.compile(r"^\| ([^|]+) \| [^|]+ \| \**([\d,]+)\** \|$", re.MULTILINE)

# Measured: what Python adds to bytes, and what has no constant.
HELD_READING_BYTES = READING_BYTES_MAX + 5_152
POSITION_BYTES, CLIENT_BYTES, LINE_BYTES, START_BYTES = 280, 14_000, 4_000, 70_000_000


def rows(number: int) -> dict[str, int]:
    """Read a table of the section: what, and MB."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = page.partition(SECTION)[2].partition("\n## ")[0]
    tables = [part for part in section.split("\n\n") if part.startswith("| ")]
    return {what: int(mb.replace(",", "")) for what, mb in ROW.findall(tables[number])}


@pytest.fixture
def bytes_of(tmp_path: Path) -> dict[str, int]:
    """Compute every row for the defaults: one device endpoint, one replay endpoint."""
    settings = load_settings("gateway", [], {}, tmp_path)
    assert (len(settings.device_connect), len(settings.replay_connect)) == (1, 1)
    clients, bikes = settings.max_connections, settings.max_devices
    web = clients + HTTP_SPARE
    return {
        "the process when it starts": START_BYTES,
        "all rings": settings.history_mb * 2**20,
        "read from devices": LIVE_QUEUE_BYTES + LIVE_FRAME_BYTES_MAX * 2,
        "read from replays": REPLAY_QUEUE_BYTES + REPLAY_BYTES_KEPT,
        "readings held back": ALL_HELD_MAX * HELD_READING_BYTES,
        "pages over HTTP": ANSWERS_BYTES_MAX,
        "data waiting for all clients": settings.outbox_mb * 10**6,
        "messages from all clients, parsed": MAX_TOTAL_INBOX_BYTES * PARSED_FACTOR,
        "bodies of POSTs": ALL_BODIES_BYTES_MAX + web * PIECE_BYTES,
        "heads and buffers of HTTP": web * (HEAD_BYTES_MAX + PIECE_BYTES),
        "names and cursors": ENTRIES_MAX * ENTRY_BYTES,
        "positions in bikes that are known": clients * bikes * POSITION_BYTES,
        "clients": clients * CLIENT_BYTES,
        "log lines": 2 * LINES_WAITING_MAX * LINE_BYTES,
    }


def test_every_row_is_what_the_code_says(bytes_of: dict[str, int]) -> None:
    told = rows(0)
    total = told.pop("**together**")
    assert told == {what: round(size / 10**6) for what, size in bytes_of.items()}
    assert total == round(sum(bytes_of.values()) / 10**6)


def test_what_bound_endpoints_add() -> None:
    peers = PEERS_A_DEVICE * int(SETTINGS["SPOKE_MAX_DEVICES"].default or 0)
    assert rows(1) == {
        "`SPOKE_DEVICE_BIND`": round(peers * LIVE_FRAME_BYTES_MAX / 10**6),
        "`SPOKE_REPLAY_BIND`": round(peers * REPLAY_FRAME_BYTES_MAX / 10**6),
    }
