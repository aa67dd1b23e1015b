"""The student for use, and the proof that it is the trained one."""
