"""The fan-out: subscriptions, positions of clients, and the frames that are due to each client.

Pure: a connection is passed in as an object that frames can be sent to. Imports
:mod:`gateway.devices`, :mod:`gateway.domain` and :mod:`gateway.packets`, never the web; it reaches
a feed as the device's ``feed``. Begin with :mod:`gateway.fanout.fanout`;
:mod:`gateway.fanout.membership` follows one ``subscribe``.
"""
