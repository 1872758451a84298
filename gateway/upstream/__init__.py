"""The ZeroMQ side of the gateway: sockets to devices, the loop that reads them, and questions.

``sockets`` opens the sockets, ``readiness`` tells the loop when one has a message, ``subscriber``
reads and writes them. ``replay_client`` and ``replay_routes`` (pure) hold the open questions and
choose the endpoints that are asked. Nothing here knows clients.
"""
