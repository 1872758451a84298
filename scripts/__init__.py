"""Programs for developers, CI and the Procfile.

Shell where nothing is installed yet, Python from there on. May import ``shared`` and ``device``;
only tests import this.
"""
