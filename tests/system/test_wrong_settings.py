"""A wrong setting ends each program with one sentence and with 2, also under gunicorn."""

import pytest

from tests.conftest import StartProcess
from tests.system.pair import Pair

GUNICORN = "python -m gunicorn -c configs/gunicorn.conf.py"
NOT_OURS = "192.0.2.1"
"""An address for documents (RFC 5737): no machine has it."""


@pytest.mark.parametrize(
    ("query", "flags"), [("nope=1", []), ("socket_timeout=abc", ["--check"])], ids=["run", "check"]
)
def test_wrong_query_of_redis(start_process: StartProcess, query: str, flags: list[str]) -> None:
    environ = {"SPOKE_REDIS_URL": f"redis://:sesame@localhost/0?{query}"}
    process = start_process(["python", "-m", "gateway", *flags], environ)
    assert process.wait() == 2
    (sentence,) = process.output.splitlines()
    assert sentence.startswith("SPOKE_REDIS_URL = (hidden) (the environment): has ")
    assert "sesame" not in sentence


@pytest.mark.parametrize(
    ("arguments", "changes", "sentence"),
    [
        ("", {"SPOKE_GATEWAY_PORT": "abc"}, "SPOKE_GATEWAY_PORT = 'abc' (the environment): must"),
        ("", {"SPOKE_GATEWAY_HOST": NOT_OURS}, f"the gateway cannot listen on {NOT_OURS} port"),
        ("-w 2", {}, "gunicorn must run one worker"),
        ("", {"SPOKE_DEVICE_BIND": f"tcp://{NOT_OURS}:5556"}, "SPOKE_DEVICE_BIND: cannot"),
    ],
    ids=["setting", "address", "workers", "endpoint"],
)
def test_gunicorn_ends_with_2(
    pair: Pair, arguments: str, changes: dict[str, str | None], sentence: str
) -> None:
    settings = pair.environ({"SPOKE_GATEWAY_PORT": str(pair.web), **changes})
    process = pair.start_process([*GUNICORN.split(), *arguments.split()], settings)
    assert process.wait(timeout_s=20) == 2
    assert process.output.count(sentence) == 1
    assert "Traceback" not in process.output


def test_check_of_an_unknown_source(start_process: StartProcess) -> None:
    process = start_process(["python", "-m", "device", "--check"], {"SPOKE_SOURCE": "simulater"})
    assert process.wait() == 2
    assert process.output.endswith("did you mean simulator?")
    assert "Traceback" not in process.output
