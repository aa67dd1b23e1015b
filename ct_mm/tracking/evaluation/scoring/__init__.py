"""Pure functions that score boxes by the rules of each benchmark."""
