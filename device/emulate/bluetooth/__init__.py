"""Emulators over Bluetooth, by the library bumble, which this module does not import."""
