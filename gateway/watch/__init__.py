"""``python -m gateway.watch``: show bikes in a terminal, or print them as JSON lines.

:mod:`~gateway.watch.follow` is the pure core of a client that misses no reading:
``apply(state, event) -> state`` and ``subscribe_request(state)``. Any Python program can use it.
``connection`` connects it to gateways, ``view``, ``terminal`` and ``jsonl`` show its events, and
``cursor_file`` saves its cursors. This package imports only ``shared`` and itself: it talks to the
gateway over the network.
"""
