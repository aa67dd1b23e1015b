"""Bases for configs in MMEngine's pure-Python style."""
