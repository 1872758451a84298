"""``python -m device.proxy``: many bikes connect to it, and gateways connect to it.

It forwards readings and statuses to every gateway, and replay questions to the bike they are for.
``claims`` (pure) knows which bike serves which device, ``forwarding`` has the sockets and the loop.
Imports only ``device.subscriptions`` and ``shared``.
"""
