"""Socket.IO: packets with attachments, namespaces, events, and Flask-SocketIO's class."""
