"""Keeps numbers and readings on the disk, so that they survive the process.

``numbers`` decides which epoch and number come next, and is pure. ``epoch_file`` stores the
greatest epoch ever used and the last row of the journal. ``store`` keeps the readings in SQLite,
and ``wal_checkpoint`` moves SQLite's log into its file. ``claim`` checks that a path may be used,
``quarantine`` moves a damaged file away, and ``journal`` joins them all. Imports ``device.journal``
and ``shared`` only.
"""
