"""Rides each kind of emulated hardware for an hour, and compares what a client got with the truth.

::

    python -m scripts.measure.hour [--seconds N] [--seed N] [--kinds KIND ...] [--folder FOLDER]

How it works. All processes are the unchanged ones: an emulator with every disturbance that it has,
its transport, a device with the source for it, one gateway for all devices, and one client.
``kinds.py`` has a row for each kind of hardware, ``scene.py`` starts and ends the processes. They
leave files in a folder: the truths, the events of the client, and the logs. ``report.py`` reads
nothing else, so ``--report FOLDER`` prints the table of an earlier run again.
"""
