"""Measures the time per frame in separate processes, and plans a student that is fast enough."""
