"""The gateway: takes readings from devices and fans them out to browsers.

Data flows ``upstream`` → ``feed`` → ``devices`` (a ring each) → ``fanout`` → ``web`` over
``transport``; ``hub`` is the loop that carries it on. Imports ``shared``, never ``device``. The
core (``feed``, ``devices``, ``fanout``) is pure: clocks and connections come in as arguments.
"""

__version__ = "0.1.0"
