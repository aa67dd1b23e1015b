"""Datasets of single-object tracking: benchmarks, training pairs, and the readers of their files."""
