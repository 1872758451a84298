"""The hub's clients: answers to subscriptions."""

import gevent
import pytest
from gevent.event import Event

from gateway.fanout.subscription import Subscribe
from gateway.hub import ANSWERS_ABOUT_ALL
from tests.gateway.stage import Browser, Stage
from tests.timing import scaled_s


def test_answers_about_all_are_limited(stage: Stage) -> None:
    stage.wire.publish(1)
    stage.turn()
    go_on, writing, answers = Event(), list[str](), list[str]()

    def come(name: str, request: Subscribe) -> None:
        def pause() -> None:
            writing.append(name)
            go_on.wait()

        stage.hub.connect(name, Browser())
        answers.append(stage.hub.subscribe(name, request, pause))

    names = [f"all-{number}" for number in range(2 * ANSWERS_ABOUT_ALL)]
    clients = [gevent.spawn(come, name, Subscribe((), everything=True)) for name in names]
    clients.append(gevent.spawn(come, "one", Subscribe(("a",), everything=False)))
    gevent.idle()  # until all of them wait
    assert sorted(writing) == [*names[:ANSWERS_ABOUT_ALL], "one"]
    go_on.set()
    gevent.joinall(clients, timeout=scaled_s(10))
    assert len(answers) == len(clients)


def test_answer_ends_when_client_left(stage: Stage) -> None:
    class Left(Exception):
        pass

    def leave() -> None:
        raise Left

    everything = Subscribe((), everything=True)
    for number in range(2 * ANSWERS_ABOUT_ALL):  # so that none keeps its place in the line
        stage.hub.connect(f"left-{number}", Browser())
        with pytest.raises(Left):
            stage.hub.subscribe(f"left-{number}", everything, leave)
        assert not stage.hub.fanout.clients[f"left-{number}"].everything
    stage.hub.connect("here", Browser())
    assert stage.hub.subscribe("here", everything) == '{"ok":true,"devices":{}}'
