"""Peers are judged only after the owner of the sockets had a pause, in which it reads them."""

import time
from threading import Event

from shared.unread import PAUSE_S, OwnerPauses

WORK_S = 10 * PAUSE_S


def test_work_is_no_pause() -> None:
    """Neither is waiting for a processor, on a machine where others use it."""
    # The host of a virtual machine may take its processors away; no clock of a guest counts that.
    assert any(not paused_while_working() for _ in range(20))


def paused_while_working() -> bool:
    pauses = OwnerPauses()
    ends_s = time.monotonic() + WORK_S
    while time.monotonic() < ends_s:
        pass
    return pauses.had_pause()


def test_waiting_is_a_pause() -> None:
    pauses = OwnerPauses()
    Event().wait(2 * PAUSE_S)
    assert pauses.had_pause()
    pauses.restart()
    assert not pauses.had_pause()
