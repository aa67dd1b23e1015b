"""Tracks in files: folders of results, what is saved already, and what a server of a benchmark takes."""
