"""What outlives the device's process: its numbers, and a copy of what it published.

``numbers`` decides how the numbering goes on and is pure. ``epoch_file`` keeps the greatest epoch
ever used and how far the journal has come, ``store`` the readings (SQLite), ``checkpoints`` moves
its log into its file. ``journal`` joins them. Imports ``device.journal`` and ``shared`` only.
"""
