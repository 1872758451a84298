"""An operator's program reaches the clients of all gateways through Redis."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import StartProcess
from tests.processes import ROOT
from tests.servers import server
from tests.system.pair import Pair

PASSWORD = "not-for-the-log"  # noqa: S105  # of the test's own Redis
TEXT = "Closed at noon"


def test_announcement_reaches_clients_of_all_gateways(
    start_process: StartProcess, free_port: Callable[[], int], tmp_path: Path
) -> None:
    redis_port, live, replay = free_port(), free_port(), free_port()
    options = ["--port", str(redis_port), "--bind", "127.0.0.1", "--requirepass", PASSWORD]
    redis = start_process([server("redis-server"), *options, "--save", ""], directory=tmp_path)
    redis.wait_for_line("Ready to accept connections")
    url = f"redis://:{PASSWORD}@127.0.0.1:{redis_port}/0"
    pairs = [Pair(start_process, web=free_port(), live=live, replay=replay) for _ in range(2)]
    gateways = [pair.start_gateway(SPOKE_REDIS_URL=url) for pair in pairs]
    first, second = pairs[0].watch(), pairs[1].watch(options={"transports": ["polling"]})
    client_id = first.wait_for("connect")["id"]
    second.wait_for("connect")
    example = [sys.executable, str(ROOT / "examples" / "announce.py"), url, TEXT]
    assert start_process([*example, client_id]).wait(timeout_s=40) == 0
    for witness in (first, second):
        assert witness.wait_for("announcement") == {"message": TEXT}
    assert first.wait_for("disconnect") == {"reason": "io server disconnect"}
    assert second.bodies("disconnect") == []
    for gateway in gateways:
        assert gateway.stop(timeout_s=30) == 0
        assert PASSWORD not in gateway.output
        assert "Traceback" not in gateway.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["redis://localhost"], "the following arguments are required: message"),
        (["redis://localhost?nope=1", TEXT], "Redis cannot be used: .*nope"),
        (["redis://127.0.0.1:{port}", TEXT], "Redis cannot be used: .*Connection refused"),
    ],
    ids=["no text", "wrong option", "no Redis"],
)
def test_announcement_that_cannot_be_made(
    start_process: StartProcess, free_port: Callable[[], int], arguments: list[str], sentence: str
) -> None:
    example = ["python", "examples/announce.py"]
    process = start_process([*example, *(it.format(port=free_port()) for it in arguments)])
    assert process.wait(timeout_s=40) == 2
    process.wait_for_line(sentence)
    assert "Traceback" not in process.output
