"""Speed from a magnet on a spoke and a reed switch or Hall sensor between a pin and ground."""

import time

from machine import Pin

PIN = 4
WHEEL_M = 2.1  # the distance of one turn of the wheel
BOUNCE_MS = 40  # a switch closes several times; 40 ms are 189 km/h
STOPPED_MS = 3000  # one turn in 3 s is 2.5 km/h
KMH = 3.6


class Wheel:
    """The time of the last turn. The interrupt of the pin calls `turned`."""

    def __init__(self) -> None:
        self.rest()
        self.pin = Pin(PIN, Pin.IN, Pin.PULL_UP)
        self.pin.irq(self.turned, Pin.IRQ_FALLING)

    def rest(self) -> None:
        """Forget the last turn: the next signal of the switch begins a turn, it ends none."""
        self.turn_ms, self.turned_ms = None, time.ticks_add(time.ticks_ms(), -2 * STOPPED_MS)

    def turned(self, _pin: object) -> None:
        """Note a turn."""
        now = time.ticks_ms()
        took_ms = time.ticks_diff(now, self.turned_ms)
        if took_ms >= BOUNCE_MS:
            self.turned_ms, self.turn_ms = now, took_ms if took_ms <= STOPPED_MS else None

    def kmh(self) -> float:
        """Return the speed. A turn that is not over yet shows that the wheel got slower."""
        waited_ms = time.ticks_diff(time.ticks_ms(), self.turned_ms)
        if waited_ms > STOPPED_MS:
            self.rest()
        if self.turn_ms is None:
            return 0.0
        return WHEEL_M * 1000 / max(self.turn_ms, waited_ms) * KMH
