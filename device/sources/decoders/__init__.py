"""From bytes to numbers, purely: decoders read no file and know no setting.

A recorded ride takes this way: ``ride`` tells by the content what a file is and unpacks it;
``fit`` reads FIT; ``xml_text``, ``xml_points`` and ``xml_ride`` read GPX and TCX, with ``times``
for the clock; all give ``point.Point``. ``course`` then puts the points in order and judges them.
The decoders pass on what a bike measures. The rider's position and heartbeat stay behind.
"""
