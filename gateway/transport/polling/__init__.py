"""One client that polls: the packets for its next GET, and the bodies of its POSTs."""
