"""Time slices, timers and greenlets: how the work of clients shares one event loop."""
