"""Quantises trackers to 8 bits and measures the loss of accuracy."""
