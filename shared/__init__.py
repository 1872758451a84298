"""Code that at least two of the device, the gateway and the scripts use.

Readings and their limits, the bytes on the wire, errors, settings, ZeroMQ sockets, logs, and the
start and end of a program. Code that only one side needs belongs to that side. This package imports
neither ``device`` nor ``gateway``. ``pyproject.toml`` lists the modules that are pure.
"""
