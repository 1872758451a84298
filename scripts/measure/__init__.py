"""Programs that repeat a measurement of the documents; each is run by itself."""
