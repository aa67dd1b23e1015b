"""Quantisation to 8 bits, and what it costs in accuracy."""
