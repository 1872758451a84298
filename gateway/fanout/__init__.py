"""The fan-out: subscriptions, positions of clients, and the frames that are due to each client.

Pure: a connection is passed in as an object that frames can be sent to. Imports
:mod:`gateway.devices` and :mod:`gateway.feed`, never the web. Begin with
:mod:`gateway.fanout.fanout`; :mod:`gateway.fanout.membership` follows one ``subscribe``.
"""
