"""Measure Spoke and its alternatives with the same workloads in one run.

``workloads`` lists the workloads and ``peers`` holds the other servers. ``measure`` makes one
measurement with a server, a publisher and the load client, each in its own process. ``summary``
and ``plot`` are pure and make tables and pictures from the results.
"""
