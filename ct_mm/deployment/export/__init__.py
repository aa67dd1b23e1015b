"""Exports a tracker's network, a function from two crops to a box, in the formats of several runtimes."""
