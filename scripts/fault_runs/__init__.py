"""The long version of ``tests/faults``: random faults for a chosen time, then a table."""
