from collections.abc import Callable, Iterator
from itertools import pairwise
from math import nan

import pytest
import zmq

from device.sample import Sample
from shared.cursor import Cursor
from shared.errors import SourceError
from shared.reading import Reading, Status
from shared.wire import decode_answer, decode_serve, encode_reading
from tests.device.peers import (
    EPOCH,
    Peers,
    StartDevice,
    ask,
    ask_on,
    at_once,
    hear_readings,
    hear_statuses,
    hear_until,
    is_stopping,
    make_bike,
    question,
    receive_page,
    refusal_of,
    send_question,
    speed_of,
    steady,
)
from tests.timing import scaled_s

RIDE_READINGS = 8357
"""As many as the long recorded ride has."""


@pytest.fixture
def pub(free_port: Callable[[], int]) -> str:
    return f"tcp://127.0.0.1:{free_port()}"


@pytest.fixture
def replay(free_port: Callable[[], int]) -> str:
    return f"tcp://127.0.0.1:{free_port()}"


@pytest.fixture
def flags(pub: str, replay: str) -> list[str]:
    return ["--pub-bind", pub, "--replay-bind", replay]


# --- publishing --------------------------------------------------------------------------


def test_readings_come_in_order_without_a_hole(
    start_device: StartDevice, peers: Peers, pub: str, flags: list[str]
) -> None:
    start_device([make_bike(steady())], *flags)
    readings = hear_readings(peers.open(zmq.SUB, pub), 100)
    first = readings[0].seq
    assert [reading.seq for reading in readings] == list(range(first, first + 100))
    assert all(reading.speed_kmh == speed_of(reading.seq) for reading in readings)
    assert {reading.epoch for reading in readings} == {EPOCH}


def test_readings_go_out_at_their_pace(
    start_device: StartDevice, peers: Peers, pub: str, flags: list[str]
) -> None:
    start_device([make_bike(steady(0.02))], *flags)
    readings = hear_readings(peers.open(zmq.SUB, pub), 101)
    # 100 intervals are 2 s; a delay of half a second may be made up for
    assert readings[-1].ts_ms - readings[0].ts_ms >= 1400


def test_a_status_comes_every_second(
    start_device: StartDevice, peers: Peers, pub: str, flags: list[str]
) -> None:
    start_device([make_bike(steady(0.1), interval_ms=100)], *flags)
    statuses = hear_statuses(peers.open(zmq.SUB, pub), 4)
    took_ms = statuses[-1].ts_ms - statuses[0].ts_ms
    assert 2000 <= took_ms <= 3000 + 1000 * scaled_s(2)
    assert {(one.state, one.interval_ms, one.model) for one in statuses} == {
        ("online", 100, "test bike")
    }


def test_status_has_last_number(
    start_device: StartDevice, peers: Peers, pub: str, flags: list[str]
) -> None:
    start_device([make_bike(steady(0.05))], *flags)
    sub = peers.open(zmq.SUB, pub)
    hear_readings(sub, 1)
    for _ in range(2):
        heard = hear_until(sub, lambda message: isinstance(message, Status))
        assert isinstance(heard[-1], Status)
        assert isinstance(heard[-2], Reading)
        assert heard[-1].cursor == heard[-2].cursor


def test_stopping_is_last_message(
    start_device: StartDevice, peers: Peers, pub: str, flags: list[str]
) -> None:
    bikes = [make_bike(steady(), "ebike-001"), make_bike(steady(), "ebike-002")]
    device = start_device(bikes, *flags)
    sub = peers.open(zmq.SUB, pub)
    hear_readings(sub, 10)
    device.stop()
    stopping = [hear_until(sub, is_stopping)[-1] for _ in bikes]
    assert [status.device_id for status in stopping] == ["ebike-001", "ebike-002"]
    assert [one.last_seq for one in stopping if isinstance(one, Status)] == [
        bike.last_seq for bike in bikes
    ]
    assert not sub.poll(100)


def test_fleet_is_spread_over_second(
    start_device: StartDevice, peers: Peers, pub: str, flags: list[str]
) -> None:
    ids = [f"ebike-{number:03d}" for number in range(1, 21)]
    start_device([make_bike(steady(0.2), device_id, 200) for device_id in ids], *flags)
    sub = peers.open(zmq.SUB, pub)
    statuses = hear_statuses(sub, 40)
    assert {status.device_id for status in statuses} == set(ids)
    tenths = {status.ts_ms % 1000 // 100 for status in statuses}
    assert len(tenths) >= 5
    readings = hear_readings(sub, 100)
    assert {reading.device_id for reading in readings} == set(ids)


def test_many_samples_due_at_once(
    start_device: StartDevice, peers: Peers, pub: str, replay: str, flags: list[str]
) -> None:
    start_device([make_bike(steady(), "ebike-002"), make_bike(at_once(5000))], *flags)
    assert hear_readings(peers.open(zmq.SUB, pub), 1)
    dealer = peers.open(zmq.DEALER, replay)
    while ask(dealer, limit=1).newest != Cursor(EPOCH, 5000):
        assert ask(dealer, device_id="ebike-002", limit=1).newest is not None
    assert [reading.seq for reading in ask_on(dealer)] == list(range(1, 5001))


# --- what sources get wrong --------------------------------------------------------------


def test_bad_samples_are_logged_once(
    start_device: StartDevice,
    peers: Peers,
    pub: str,
    flags: list[str],
    log_lines: list[str],
) -> None:
    def samples() -> Iterator[Sample]:
        for number in range(10**6):
            speed_kmh = nan if number % 2 else 20.0
            yield Sample(number * 0.005, speed_kmh, {"power_w": 99_999, "cadence_rpm": 60})

    device = start_device([make_bike(samples())], *flags)
    readings = hear_readings(peers.open(zmq.SUB, pub), 50)
    device.stop()
    first = readings[0].seq
    assert [reading.seq for reading in readings] == list(range(first, first + 50))
    assert all(reading.values == {"cadence_rpm": 60} for reading in readings)
    left_out = [line for line in log_lines if line.startswith("left_out")]
    assert len(left_out) == 2
    assert "power_w" in left_out[0]
    assert "speed_kmh" in left_out[1]


@pytest.mark.parametrize("error", [SourceError("the file ends in the middle"), KeyError("bug")])
def test_failing_source_stops_device(
    start_device: StartDevice, peers: Peers, pub: str, flags: list[str], error: Exception
) -> None:
    heard = peers.open(zmq.SUB, pub)
    connected = heard.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)

    def samples() -> Iterator[Sample]:
        yield from (sample for sample, _ in zip(steady(), range(300), strict=False))
        raise error

    device = start_device([make_bike(samples())], *flags)
    assert connected.poll(int(scaled_s(10) * 1000))
    messages = hear_until(heard, is_stopping)
    readings = [message for message in messages if isinstance(message, Reading)]
    assert readings[-1].cursor == messages[-1].cursor == Cursor(EPOCH, 300)
    with pytest.raises(type(error)):
        device.stop()
    device.error = None
    heard.disable_monitor()


# --- a ride that ends --------------------------------------------------------------------


def test_replay_after_end_of_ride(
    start_device: StartDevice, peers: Peers, pub: str, replay: str, flags: list[str]
) -> None:
    start_device([make_bike(at_once(RIDE_READINGS))], *flags)
    status = hear_until(peers.open(zmq.SUB, pub), is_stopping)[-1]
    assert isinstance(status, Status)
    assert status.last_seq == RIDE_READINGS
    readings = ask_on(peers.open(zmq.DEALER, replay))
    assert [reading.seq for reading in readings] == list(range(1, RIDE_READINGS + 1))


def test_stopping_status_is_repeated(
    start_device: StartDevice, peers: Peers, pub: str, flags: list[str], log_lines: list[str]
) -> None:
    start_device([make_bike(at_once(3))], *flags)
    sub = peers.open(zmq.SUB, pub)
    statuses = hear_statuses(sub, 3)
    assert [(one.state, one.last_seq) for one in statuses[1:]] == [("stopping", 3)] * 2
    assert len([line for line in log_lines if line.startswith("ride_ended")]) == 1


# --- replay ------------------------------------------------------------------------------


def test_replay_pages_in_order(
    start_device: StartDevice, peers: Peers, replay: str, flags: list[str]
) -> None:
    start_device([make_bike(at_once(250))], *flags)
    dealer = peers.open(zmq.DEALER, replay)
    while ask(dealer, limit=1).newest != Cursor(EPOCH, 250):
        pass
    first = ask(dealer, None, 100)
    assert [reading.seq for reading in first.readings] == list(range(1, 101))
    assert (first.oldest, first.newest) == (Cursor(EPOCH, 1), Cursor(EPOCH, 250))
    last = ask(dealer, Cursor(EPOCH, 200), 100)
    assert [reading.seq for reading in last.readings] == list(range(201, 251))
    assert ask(dealer, Cursor(EPOCH, 250), 100).readings == ()
    assert [reading.seq for reading in ask_on(dealer, limit=33)] == list(range(1, 251))


def test_replay_returns_published_bytes(
    start_device: StartDevice, peers: Peers, pub: str, replay: str, flags: list[str]
) -> None:
    start_device([make_bike(steady())], *flags)
    sub, dealer = peers.open(zmq.SUB, pub), peers.open(zmq.DEALER, replay)
    live = hear_readings(sub, 20)
    before = Cursor(EPOCH, live[0].seq - 1)
    dealer.send(question(before, 20))
    payloads = dealer.recv_multipart()[1:]
    assert payloads == [encode_reading(reading) for reading in live]


def test_wrong_questions_are_refused(
    start_device: StartDevice, peers: Peers, replay: str, flags: list[str]
) -> None:
    start_device([make_bike(steady())], *flags)
    dealer = peers.open(zmq.DEALER, replay)
    assert refusal_of(dealer, limit=0).code == "bad_request"
    assert refusal_of(dealer, v=3).code == "unsupported_version"
    assert refusal_of(dealer, device_id="ebike-002").code == "unknown_device"
    for garbage in (b"", b"\xff", b"[]", b"{}", b'{"id":1}', b"[" * 4000):
        dealer.send(garbage)
    assert ask(dealer, limit=1).device_id == "ebike-001"


def test_all_frames_before_the_question_come_back(
    start_device: StartDevice, peers: Peers, replay: str, flags: list[str]
) -> None:
    start_device([make_bike(at_once(2))], *flags)
    dealer = peers.open(zmq.DEALER, replay)
    dealer.send_multipart([b"gateway-7", b"", question(None, 5)])
    answer = dealer.recv_multipart()
    assert answer[:2] == [b"gateway-7", b""]
    assert decode_answer(answer[2:]).id == "q"
    requester = peers.open(zmq.REQ, replay)  # puts an empty frame in front, and wants it back
    requester.send(question(None, 5))
    assert decode_answer(requester.recv_multipart()).id == "q"


def test_too_large_question_ends_connection(
    start_device: StartDevice, peers: Peers, replay: str, flags: list[str]
) -> None:
    start_device([make_bike(steady())], *flags)
    hostile, honest = peers.open(zmq.DEALER, replay), peers.open(zmq.DEALER, replay)
    hostile.send(b"x" * 1_000_000)
    assert ask(honest, limit=1).device_id == "ebike-001"


def test_stalled_peer_delays_nothing(
    start_device: StartDevice, peers: Peers, pub: str, replay: str, flags: list[str]
) -> None:
    bikes = [make_bike(at_once(20_000)), make_bike(steady(0.01), "ebike-002")]
    start_device(bikes, *flags)
    sub = peers.open(zmq.SUB, pub)
    honest = peers.open(zmq.DEALER, replay)
    while ask(honest, limit=1).newest != Cursor(EPOCH, 20_000):
        pass
    stalled = peers.open(zmq.DEALER, replay, queue=1)
    for seq in range(600):  # 75 MB of answers, far more than lies in buffers on the way
        send_question(stalled, Cursor(EPOCH, seq))
    for _ in range(20):
        assert ask(honest, Cursor(EPOCH, 10_000)).readings[0].seq == 10_001
    times = [one.ts_ms for one in hear_readings(sub, 20_200) if one.device_id == "ebike-002"]
    assert max(after - before for before, after in pairwise(times)) < 1000 * scaled_s(1)


def test_many_questions_at_once_are_all_answered(
    start_device: StartDevice, peers: Peers, replay: str, flags: list[str]
) -> None:
    bikes = [make_bike(at_once(40), f"ebike-{number:03d}") for number in range(1, 201)]
    start_device(bikes, *flags)
    dealer = peers.open(zmq.DEALER, replay)
    for bike in bikes:
        send_question(dealer, device_id=bike.device_id, request_id=bike.device_id)
    answered = {receive_page(dealer).id for _ in bikes}
    assert answered == {bike.device_id for bike in bikes}


# --- a bike that connects ----------------------------------------------------------------


def test_connecting_bike_announces_itself(
    start_device: StartDevice, peers: Peers, pub: str, replay: str
) -> None:
    sub = peers.open(zmq.SUB, pub, bind=True)
    router = peers.open(zmq.ROUTER, replay, bind=True)
    bikes = [make_bike(steady(), "ebike-001"), make_bike(steady(), "ebike-002")]
    start_device(bikes, "--pub-connect", pub, "--replay-connect", replay)
    peer, serve = router.recv_multipart()
    assert serve == b'{"v":1,"op":"serve","devices":["ebike-001","ebike-002"]}'
    reading = hear_readings(sub, 1)[0]
    router.send_multipart([peer, b"frame", question(None, 1, reading.device_id)])
    assert router.poll(int(scaled_s(10) * 1000))
    back, frame, *answer = router.recv_multipart()
    assert (back, frame) == (peer, b"frame")
    page = decode_answer(answer)
    assert page.device_id == reading.device_id


def test_announcement_after_gateway_restart(
    start_device: StartDevice, peers: Peers, pub: str, replay: str
) -> None:
    gateway = Peers()
    router = gateway.open(zmq.ROUTER, replay, bind=True)
    start_device([make_bike(steady())], "--pub-connect", pub, "--replay-connect", replay)
    assert router.recv_multipart()
    gateway.close()
    again = peers.open(zmq.ROUTER, replay, bind=True)
    again.rcvtimeo = int(scaled_s(9) * 1000)  # sooner than the ten seconds of its routine
    assert again.recv_multipart()[-1].startswith(b'{"v":1,"op":"serve"')


def test_replay_for_every_gateway(
    start_device: StartDevice, peers: Peers, free_port: Callable[[], int]
) -> None:
    endpoints = [f"tcp://127.0.0.1:{free_port()}" for _ in range(4)]
    subs = [peers.open(zmq.SUB, endpoint, bind=True) for endpoint in endpoints[:2]]
    routers = [peers.open(zmq.ROUTER, endpoint, bind=True) for endpoint in endpoints[2:]]
    start_device(
        [make_bike(steady())],
        "--pub-connect",
        ",".join(endpoints[:2]),
        "--replay-connect",
        ",".join(endpoints[2:]),
    )
    for sub, router in zip(subs, routers, strict=True):
        assert hear_readings(sub, 5)
        peer, _ = router.recv_multipart()
        router.send_multipart([peer, question(None, 1)])
        assert decode_answer(router.recv_multipart()[1:]).id == "q"


def test_large_fleet_splits_announcement(
    start_device: StartDevice, peers: Peers, pub: str, replay: str
) -> None:
    router = peers.open(zmq.ROUTER, replay, bind=True)
    ids = [f"{number:064d}" for number in range(1000)]
    bikes = [make_bike(steady(10.0), device_id, 10_000) for device_id in ids]
    start_device(bikes, "--pub-connect", pub, "--replay-connect", replay)
    served: list[str] = []
    while len(served) < len(ids):
        serve = decode_serve(router.recv_multipart()[-1])
        assert serve is not None
        served += serve.devices
    assert served == ids
