"""Engine.IO as a protocol: packets, handshakes, heartbeats and upgrades."""
