"""One device's readings, put in order: whatever comes in, out they go once each, holes announced.

Pure: an event and the time come in, a list of :mod:`~gateway.feed.effects` comes out. Imports
``shared`` and :mod:`gateway.domain` only.
"""
