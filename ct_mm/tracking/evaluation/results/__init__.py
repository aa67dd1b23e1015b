"""Tracks in files: result folders, reading saved tracks, and submissions to benchmark servers."""
