"""The gateway: takes readings from devices and fans them out to browsers.

Data flows subscriber → feed → ring → fan-out → connections; ``devices`` holds one feed and one
ring a device, ``hub`` is the loop. Imports ``shared``, never ``device``. The core (``feed``,
``ring``, ``groups``, ``fanout``, ``devices`` and what they are made of) is pure: clocks, sockets
and emit come in as arguments.
"""

__version__ = "0.1.0"
