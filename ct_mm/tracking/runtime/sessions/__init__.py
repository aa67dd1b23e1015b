"""One file for each inference runtime; each imports its own alone."""
