"""Decoders: from the bytes of a file to numbers. Pure: they read no file and know no setting.

A recorded ride goes through them in this order: ``ride`` recognises the format by the content and
unpacks it. ``fit`` reads FIT; ``xml_text``, ``xml_points`` and ``xml_ride`` read GPX and TCX, with
``times`` for the timestamps. All of them return ``point.Point``. ``course`` sorts the points and
judges them. Only measurements of the bike are passed on, not the rider's position or heart rate.
"""
