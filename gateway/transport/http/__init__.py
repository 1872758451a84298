"""The web server: connections, request heads and bodies, and the hand-over of connections."""
