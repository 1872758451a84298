"""One WebSocket: frames, messages, and the bytes that the kernel has not taken."""
