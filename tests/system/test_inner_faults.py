"""A bug in each part of the gateway: told outside by its code, logged once, never survived dead."""

from pathlib import Path

import pytest

from tests.processes import RunningProcess
from tests.system.pair import Pair

BOOM = "planted fault"


def launcher(module: str, target: str) -> list[str]:
    """Start the gateway with one function of it replaced by one that raises."""
    planted = f"""
import runpy, sys
import {module}

def fail(*args, **kwargs):
    raise ZeroDivisionError({BOOM!r})

{module}.{target} = fail
sys.argv = ["gateway"]
runpy.run_module("gateway", run_name="__main__", alter_sys=True)
"""
    return ["python", "-c", planted]


def log_file(folder: Path) -> str:
    [file] = folder.glob("gateway-*.log")
    return file.read_text()


def assert_logged_once(process: RunningProcess, folder: Path) -> None:
    for text in (process.output, log_file(folder)):
        assert text.count(f"ZeroDivisionError: {BOOM}") == 1, text
        assert text.count("Traceback") == 1


@pytest.fixture
def logs(pair: Pair, tmp_path: Path) -> Path:
    pair.settings["SPOKE_LOG_DIR"] = str(tmp_path)
    return tmp_path


def test_a_fault_in_an_http_route_is_an_internal_error(pair: Pair, logs: Path) -> None:
    gateway = pair.start_gateway(launcher("gateway.devices.devices", "Device.latest_json"))
    pair.start_device()
    answer = pair.get("/api/v1/devices")
    while answer.status == 200:  # as long as no device is listed
        answer = pair.get("/api/v1/devices")
    assert (answer.status, answer.json["code"]) == (500, "internal")
    assert BOOM not in answer.text
    gateway.stop()
    assert_logged_once(gateway, logs)


def test_a_fault_in_an_event_is_an_internal_error(pair: Pair, logs: Path) -> None:
    gateway = pair.start_gateway(launcher("gateway.fanout.fanout", "Fanout.subscribe"))
    witness = pair.watch(emit=[["subscribe", {"devices": "*"}]], until={"event": "ack"})
    error = witness.wait_for("ack")
    assert (error["ok"], error["error"]["code"]) == (False, "internal")
    assert BOOM not in str(error)
    gateway.stop()
    assert_logged_once(gateway, logs)


@pytest.mark.parametrize(
    ("module", "target"),
    [
        ("gateway.upstream.subscriber", "Subscriber.take"),
        ("gateway.feed.feed", "Feed.receive_status"),
        ("gateway.devices.devices", "Devices.tick"),
        ("gateway.fanout.fanout", "Fanout.due"),
    ],
)
def test_a_loop_that_dies_ends_the_process_with_1(
    pair: Pair, logs: Path, module: str, target: str
) -> None:
    pair.start_device()
    gateway = pair.start_process(
        launcher(module, target),
        pair.environ(
            {
                "SPOKE_GATEWAY_PORT": str(pair.web),
                "SPOKE_DEVICE_CONNECT": f"tcp://127.0.0.1:{pair.live}",
                "SPOKE_REPLAY_CONNECT": f"tcp://127.0.0.1:{pair.replay}",
            }
        ),
    )
    assert gateway.wait() == 1
    assert_logged_once(gateway, logs)


def test_a_port_that_is_taken_is_one_sentence_and_exit_2(pair: Pair) -> None:
    first = pair.start_gateway()
    second = pair.start_process(
        ["python", "-m", "gateway", "--gateway-port", str(pair.web)], pair.environ({})
    )
    assert second.wait() == 2
    assert f"port {pair.web}" in second.output
    assert "Traceback" not in second.output
    assert first.process.poll() is None


def test_a_wrong_setting_is_one_sentence_and_exit_2(pair: Pair) -> None:
    gateway = pair.start_process(["python", "-m", "gateway"], {"SPOKE_FLUSH_MS": "soon"})
    assert gateway.wait() == 2
    assert "SPOKE_FLUSH_MS" in gateway.output
    assert "Traceback" not in gateway.output


def test_a_refusing_authentication_lets_nobody_see_a_reading(pair: Pair) -> None:
    planted = """
import runpy, sys
import gateway.app
from shared.errors import Unauthorized

def refuse(credentials):
    raise Unauthorized("log in first")

create = gateway.app.create_app
gateway.app.create_app = lambda settings: create(settings, refuse)
sys.argv = ["gateway"]
runpy.run_module("gateway", run_name="__main__", alter_sys=True)
"""
    pair.start_device()
    pair.start_gateway(["python", "-c", planted], SPOKE_AUTO_SUBSCRIBE="yes")
    witness = pair.watch(emit=[["subscribe", {"devices": "*"}]], until={"event": "connect_error"})
    error = witness.wait_for("connect_error")
    assert error == {"message": "log in first", "data": {"code": "unauthorized"}}
    assert witness.process.wait() == 0
    assert [name for name, _body in witness.events] == ["connect_error"]
    answer = pair.get("/api/v1/devices")
    assert (answer.status, answer.json["code"]) == (401, "unauthorized")
