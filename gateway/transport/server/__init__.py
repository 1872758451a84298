"""The Engine.IO server: the table of sessions, and the requests that open and serve them."""
