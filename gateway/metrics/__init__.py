"""The metrics of a gateway for Prometheus, at ``/metrics``.

The other modules count in plain integers, so that no reading pays for Prometheus. A scrape makes
one sample of each counter. No label has an id of a device or a client, because strangers can invent
these without end: all values of labels come from lists in the code.
"""
