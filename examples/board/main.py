"""MicroPython starts this file after boot.py."""

import bike

bike.run()
