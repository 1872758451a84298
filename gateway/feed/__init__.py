"""One device's readings, put in order: whatever comes in, out they go once each, holes announced.

Pure: what happened and the time come in, a list of :mod:`~gateway.feed.effects` comes out. Imports
``shared`` and :mod:`gateway.packets` only.
"""
