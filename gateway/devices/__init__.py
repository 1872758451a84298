"""All devices at once: a feed and a ring each, bounded in number and in memory.

Pure. Carries out the effects of the feeds and tells one audience of every entry at once. Imports
:mod:`gateway.feed`, never :mod:`gateway.fanout`.
"""
