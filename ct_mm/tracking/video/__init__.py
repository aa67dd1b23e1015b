"""Tracking in videos: sources of frames, several targets, display and output. Does not import PyTorch."""
