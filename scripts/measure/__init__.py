"""Programs that repeat a measurement in the documents. Run each on its own."""
