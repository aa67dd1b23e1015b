"""One function from crops to a box, written in the formats of several runtimes."""
