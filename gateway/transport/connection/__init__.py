"""One client's session: what it is sent, the calls that it causes, its life and its end."""
