"""The faults of a long run. Each breaks something for a while and repairs it again."""

import signal
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from scripts.fault_runs.scene import Scene
from shared.decorators import registered
from tests.faults.lossy import Harm
from tests.faults.relay import Relay
from tests.faults.replays import Liar, truth
from tests.faults.witnesses import Witnesses

SHORTEST_S, LONGEST_S = 0.3, 4.0
"""The ring holds 30 s, so even the longest fault need not lose a reading."""
CUTS_AT_ONCE = 20
BROWSER_BYTES, DEVICE_BYTES = 5_000, 2_000
"""The handshake, the subscription and the first readings fit into this many bytes."""
TRICKLE_BYTES_PER_S = 30_000

Fault: TypeAlias = Callable[[Scene], None]
FAULTS: dict[str, Fault] = {}
fault = partial(registered, FAULTS)
GAPS: dict[str, frozenset[str]] = {
    "device killed, journal lost": frozenset({"epoch"}),
    "device killed, journal's log cut short": frozenset({"epoch"}),
    "replay lying while the live link is lossy": frozenset({"not_recovered"}),
    "replay away while the live link is lossy": frozenset({"not_recovered"}),
}
"""The reasons of gaps that a fault may cause. Other faults must not cause gaps."""


@fault("gateway killed")
def kill_gateway(scene: Scene) -> None:
    """Kill the gateway and start it again."""
    _restart_gateway(scene, signal.SIGKILL)


@fault("gateway stopped and started")
def stop_gateway(scene: Scene) -> None:
    """Stop the gateway and start it again."""
    _restart_gateway(scene, signal.SIGTERM)


@fault("gateway stood still")
def pause_gateway(scene: Scene) -> None:
    """Pause the gateway's process for a while."""
    scene.gateway.process.send_signal(signal.SIGSTOP)
    _last(scene)
    scene.gateway.process.send_signal(signal.SIGCONT)


@fault("device stood still")
def pause_device(scene: Scene) -> None:
    """Pause the device's process for a while."""
    scene.stage.device.process.send_signal(signal.SIGSTOP)
    _last(scene)
    scene.stage.device.process.send_signal(signal.SIGCONT)


@fault("device killed")
def kill_device(scene: Scene) -> None:
    """Kill the device. With its journal it continues with the next number."""
    scene.stage.device.stop(signal.SIGKILL)
    scene.stage.start_device()
    assert scene.device_goes_on(), "an intact journal did not go on"


@fault("device stopped and started")
def stop_device(scene: Scene) -> None:
    """Stop the device and start it again. It continues with the next number."""
    scene.stage.device.stop(signal.SIGTERM)
    scene.stage.start_device()
    assert scene.device_goes_on(), "an intact journal did not go on"


@fault("gateway and device killed")
def kill_both(scene: Scene) -> None:
    """Kill both. Only the journal has the readings that the gateway had not read yet."""
    scene.stage.device.stop(signal.SIGKILL)
    scene.gateway.stop(signal.SIGKILL)
    scene.stage.start_device()
    scene.gateway = scene.stage.start_gateway()


@fault("device killed, journal lost")
def lose_journal(scene: Scene) -> None:
    """Kill the device and delete its journal. The new epoch is a gap."""
    scene.stage.device.stop(signal.SIGKILL)
    scene.journal.unlink()
    scene.stage.start_device()


@fault("device killed, journal's log cut short")
def cut_journal(scene: Scene) -> None:
    """Kill the device and cut the end off its journal. The new epoch is a gap."""
    scene.stage.device.stop(signal.SIGKILL)
    log = scene.journal.with_name(f"{scene.journal.name}-wal")
    with log.open("r+b") as file:
        file.truncate(scene.draw.randrange(log.stat().st_size))
    scene.stage.start_device()


@fault("both legs cut")
def cut_both_legs(scene: Scene) -> None:
    """Cut all connections."""
    _break(scene, Relay.cut, scene.stage.live, scene.stage.replay, scene.stage.web)


@fault("device's leg cut")
def cut_device_leg(scene: Scene) -> None:
    """Cut the connections to the device."""
    _break(scene, Relay.cut, scene.stage.live, scene.stage.replay)


@fault("black hole on both legs")
def swallow_both_legs(scene: Scene) -> None:
    """Discard all data on all connections."""
    _break(scene, Relay.swallow, scene.stage.live, scene.stage.replay, scene.stage.web)


@fault("both legs throttled")
def throttle_both_legs(scene: Scene) -> None:
    """Throttle all connections."""
    slow = partial(Relay.throttle, bytes_per_s=TRICKLE_BYTES_PER_S)
    _break(scene, slow, scene.stage.live, scene.stage.replay, scene.stage.web)


@fault("client's leg cut")
def cut_client_leg(scene: Scene) -> None:
    """Cut the witnesses off. The control must not be affected."""
    with_quiet_control(scene, partial(_break, scene, Relay.cut, scene.stage.web))


@fault("client's leg throttled")
def throttle_client_leg(scene: Scene) -> None:
    """Throttle the witnesses. The control must not be affected."""
    slow = partial(Relay.throttle, bytes_per_s=TRICKLE_BYTES_PER_S)
    with_quiet_control(scene, partial(_break, scene, slow, scene.stage.web))


@fault("client's leg delayed")
def delay_client_leg(scene: Scene) -> None:
    """Delay all data to the witnesses."""
    late = partial(Relay.delay, seconds=scene.draw.uniform(0.05, 1.0))
    with_quiet_control(scene, partial(_break, scene, late, scene.stage.web))


@fault("client's leg cut inside frames")
def slice_client_leg(scene: Scene) -> None:
    """End the witnesses' connections at random bytes."""
    with_quiet_control(scene, partial(_slice, scene, scene.stage.web, BROWSER_BYTES))


@fault("device's leg cut inside frames")
def slice_device_leg(scene: Scene) -> None:
    """End the connections to the device at random bytes."""
    _slice(scene, scene.stage.live, DEVICE_BYTES)


@fault("clients moved to another gateway")
def move_clients(scene: Scene) -> None:
    """Move the witnesses to the other gateway and back."""
    for port in (scene.other_port, scene.stage.pair.web):
        scene.stage.web.retarget(port)
        _last(scene)


@fault("live link lossy")
def lose(scene: Scene) -> None:
    """Lose, repeat and swap messages of the device."""
    scene.link.harm = Harm(lost=0.1, repeated=0.1, swapped=0.1)
    _last(scene)
    scene.link.harm = Harm()


@fault("replay slow while the live link is lossy")
def slow_replay(scene: Scene) -> None:
    """Delay replay answers while they are needed."""
    scene.replay.delay_s = scene.draw.uniform(0.1, 2.0)
    lose(scene)
    scene.replay.delay_s = 0.0


@fault("replay lying while the live link is lossy")
def lying_replay(scene: Scene) -> None:
    """Give wrong replay answers half of the time while they are needed."""
    scene.replay.change = Liar(scene.draw.randrange(2**32))
    lose(scene)
    scene.replay.change = truth


@fault("replay away while the live link is lossy")
def no_replay(scene: Scene) -> None:
    """Give no replay answers while they are needed."""
    scene.stage.replay.cut()
    lose(scene)
    scene.stage.replay.mend()


@fault("gateway killed while the live link is lossy and the replay slow")
def kill_gateway_in_bad_weather(scene: Scene) -> None:
    """Let clients resume at a gateway that fetches history and repairs gaps at the same time."""
    scene.link.harm = Harm(lost=0.1, repeated=0.1, swapped=0.1)
    scene.replay.delay_s = scene.draw.uniform(0.0, 0.3)
    _restart_gateway(scene, signal.SIGKILL)
    _last(scene)
    scene.link.harm, scene.replay.delay_s = Harm(), 0.0


@fault("client stood still")
def pause_client(scene: Scene) -> None:
    """Pause the process of a witness. The control must not be affected."""
    witness = scene.witnesses["relayed"].process.process

    def pause() -> None:
        witness.send_signal(signal.SIGSTOP)
        _last(scene)
        witness.send_signal(signal.SIGCONT)

    with_quiet_control(scene, pause)


def with_quiet_control(scene: Scene, act: Callable[[], None]) -> None:
    """Apply a fault of single clients, and assert that the control stays connected."""
    control: Witnesses = scene.witnesses["control"]
    control.update()
    before = control.counts["disconnect"]
    act()
    control.update()
    assert control.counts["disconnect"] == before, "the control was disconnected"


def _restart_gateway(scene: Scene, how: signal.Signals) -> None:
    scene.gateway.stop(how)
    scene.gateway = scene.stage.start_gateway()


def _break(scene: Scene, act: Callable[[Relay], None], *relays: Relay) -> None:
    for relay in relays:
        act(relay)
    _last(scene)
    for relay in relays:
        relay.mend()


def _slice(scene: Scene, relay: Relay, size: int) -> None:
    places = [scene.draw.randrange(1, size) for _ in range(CUTS_AT_ONCE)]
    relay.end_each_after([(None, place) for place in places])
    relay.drop()
    _last(scene)
    relay.mend()


def _last(scene: Scene) -> None:
    scene.stage.pass_time(scene.draw.uniform(SHORTEST_S, LONGEST_S), *scene.witnesses.values())
