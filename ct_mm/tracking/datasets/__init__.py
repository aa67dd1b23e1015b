"""Datasets of single-object tracking; importing this package registers them."""
from ct_mm.tracking.datasets.image_io import read_image
