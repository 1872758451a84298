"""The disk under the log is full."""

import sys
from pathlib import Path

from tests.faults.stage import Stage, assert_back, assert_whole, footprint

DISK_BYTES = 65_536
ON_A_SMALL_DISK = f"""
mount -t tmpfs -o size={DISK_BYTES} tmpfs "$SPOKE_LOG_DIR" || exit 3
head -c {DISK_BYTES} /dev/zero > "$SPOKE_LOG_DIR/filler"
exec "{sys.executable}" -m gateway
"""


def test_a_full_disk_under_the_log_costs_no_reading(stage: Stage, tmp_path: Path) -> None:
    stage.start_device()
    argv = ["unshare", "--map-root-user", "--mount", "sh", "-c", ON_A_SMALL_DISK]
    gateway = stage.start_gateway(argv, SPOKE_LOG_DIR=str(tmp_path))
    gateway.wait_for_line("log_file_unwritable")
    witness, control = stage.watch(), stage.control()
    stage.settle(witness, control)
    before = footprint(gateway.pid)
    stage.live.drop()
    stage.settle(witness, control)
    assert_whole(witness)
    assert_whole(control)
    assert gateway.output.count("log_file_unwritable") == 1
    assert_back(gateway.pid, before)
