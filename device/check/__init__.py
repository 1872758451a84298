"""Checks any publisher of readings against the protocol (``docs/protocol.md``, sections 1 and 2).

``probe`` opens the sockets, listens to the publisher and asks for replays. ``messages`` judges each
message, ``sequence`` the order of a device's messages, ``replay`` the answers to replay questions.
They note faults in ``findings``; ``verdict`` puts them into text or JSON.

``messages`` and ``sequence`` use the gateway's own feed, so that the check and a gateway always
agree. This is the one place where the device imports from ``gateway``.
"""
