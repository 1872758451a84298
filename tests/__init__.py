"""The tests, laid out as the tree they test; the plain modules here are what they share."""
