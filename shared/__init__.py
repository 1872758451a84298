"""What both the device and the gateway need, and nothing else.

Readings and their limits, the bytes on the wire, errors, settings and logs.
Imports neither ``device`` nor ``gateway``. All but ``settings`` and ``logs`` are pure:
no socket, no thread, no clock, no environment.
"""
