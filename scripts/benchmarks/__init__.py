"""Measure Spoke beside what people would use instead, on the same work, in one run.

``workloads`` and ``peers`` are tables of what is measured; ``measure`` does one measurement with a
server, a publisher and the load client, each a process of its own; ``summary`` and ``plot`` are
pure and make tables and pictures of what was measured.
"""
