"""Initialises student layers: copied, of another shape, or fitted."""
