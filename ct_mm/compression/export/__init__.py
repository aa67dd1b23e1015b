"""Exports the student and verifies that it is the trained one."""
