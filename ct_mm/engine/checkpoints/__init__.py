"""Checkpoints: reading what others wrote, writing whole files, and going on from the right one."""
