"""``python -m device.record``: writes the readings of bikes into a file, to play them back later.

``lines`` (pure) encodes and decodes the lines of the file, ``recorder`` puts readings in order and
asks for missing ones, ``listening`` reads the sockets, ``file`` writes, and ``fit`` makes a FIT
file. The recorder subscribes, repairs and announces gaps with the code of a gateway: it uses
``gateway.feed``, ``gateway.upstream`` and the types in ``gateway.domain``, and nothing else of the
gateway. The source ``recorded`` plays the file.
"""
