"""The gateway's interface for browsers and programs: HTTP routes and Socket.IO events.

A shell around :mod:`gateway.fanout` and :mod:`gateway.devices`. Every request passes
``request_guards`` first; one under ``/api/``, and each CONNECT, passes ``auth`` too.
``error_handlers`` translates each error into an answer, and
``sockets`` connects this package to :mod:`gateway.transport`.
"""
