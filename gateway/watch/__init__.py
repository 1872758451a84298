"""``python -m gateway.watch``: bikes in a terminal, or as lines of JSON for another program.

:mod:`~gateway.watch.follow` is the whole protocol of a client that misses nothing, pure:
``apply(state, event) -> state`` and ``question(state)``, for any Python program to use.
``connection`` has it talk to gateways, ``view`` and ``lines`` show it, ``places`` keeps cursors
in a file. Imports ``shared`` and nothing else of the gateway, which it meets over the network.
"""
