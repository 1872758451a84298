"""The bike: where readings come from, their numbers, and the sockets that publish them.

``sources`` make samples, ``publisher`` numbers, journals and sends them. May import ``shared``,
never ``gateway``: a device knows nothing of who listens. The one exception is ``check``, which
judges other devices by the feed of a gateway. The pure core (``ride``, ``road``,
``rider``, ``noise`` and the decoders) imports no socket, thread, clock, environment or random.
"""
