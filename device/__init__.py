"""The bike: the sources of its readings, their numbers, and the sockets that publish them.

``sources`` give samples; ``publisher`` numbers them, writes them to the journal and sends them. May
import ``shared``, but never ``gateway``: a device knows nothing of its receivers. The
exceptions are ``check``, which judges other devices with the feed of a gateway, and ``record``,
which listens and repairs as a gateway does. The pure core (``ride``,
``road``, ``rider``, ``noise`` and the decoders) imports no socket, thread, clock, environment or
random.
"""

__version__ = "0.1.0"
