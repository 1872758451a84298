"""MicroPython starts this file after boot.py."""

import bike
import wheel

bike.measure_kmh = wheel.Wheel().kmh
bike.run()
