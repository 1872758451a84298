"""Announce something to all clients of all gateways, and disconnect one client if you name it.

.venv/bin/python examples/announce.py redis://localhost:6379/0 "Closed at noon" [client's socket id]
"""

import sys

from flask_socketio import SocketIO

redis_url, message, *client_ids = sys.argv[1:]
gateways = SocketIO(message_queue=redis_url, async_mode="threading")
gateways.emit("announcement", {"message": message})
for client_id in client_ids:
    gateways.server.disconnect(client_id)
