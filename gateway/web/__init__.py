"""What browsers and programs talk to: HTTP routes, Socket.IO events, and who is let in at all.

A shell around :mod:`gateway.fanout` and :mod:`gateway.devices`. ``doors`` and ``auth`` stand before
everything, ``error_handlers`` behind it; ``sockets`` is the seam to the transport.
"""
