"""Who watches what, where everybody stands, and which bytes are due to whom.

Pure: connections are handed in as something that can be written to. Positions only, no queues:
``groups`` share a tail, ``catchup`` walks the rings, ``rates`` and ``statuses`` are the two streams
beside the readings. Imports :mod:`gateway.devices`, never the web.
"""
