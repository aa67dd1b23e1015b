"""Divides a model into stages, in place."""
