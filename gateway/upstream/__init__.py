"""Where devices are heard: ZeroMQ sockets, the loop that reads them, and questions to devices.

``links`` opens the sockets, ``turns`` waits for them in a thread, ``subscriber`` reads and writes
them in the loop; ``replay`` and ``replay_routes`` (pure) word the questions and say whom to ask.
Knows nothing of feeds and browsers.
"""
