"""The version of ct_mm, read by ``setup.py`` without importing the package."""
__version__ = '0.1.0'
