"""All devices at once: a feed and a ring each, bounded in number and in memory.

Pure. Carries out what the feeds want and tells one audience of every entry at once. Imports
:mod:`gateway.feed`, never :mod:`gateway.fanout`.
"""
