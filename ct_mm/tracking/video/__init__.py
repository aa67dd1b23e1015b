"""Tracking in videos: sources of frames, several targets, what is shown and written. Imports no PyTorch."""
