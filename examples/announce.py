"""Announce something to all clients of all gateways, and disconnect one client if you name it.

.venv/bin/python examples/announce.py redis://localhost:6379/0 "Closed at noon" [client's socket id]
"""

from argparse import ArgumentParser

from flask_socketio import SocketIO
from redis import Redis

parser = ArgumentParser(description="Announce something to all clients of all gateways.")
parser.add_argument("redis", metavar="REDIS_URL", help="such as redis://localhost:6379/0")
parser.add_argument("message")
parser.add_argument("clients", nargs="*", metavar="SOCKET_ID", help="a client to disconnect")
options = parser.parse_args()
try:
    Redis.from_url(options.redis, socket_timeout=5).ping()  # emit would only log an error
except Exception as error:
    parser.exit(2, f"Redis cannot be used: {error}\n")
gateways = SocketIO(message_queue=options.redis, async_mode="threading")
gateways.emit("announcement", {"message": options.message})
for client_id in options.clients:
    gateways.server.disconnect(client_id)
