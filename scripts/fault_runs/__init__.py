"""The long version of ``tests/faults``: random faults for as long as asked for, and a table."""
