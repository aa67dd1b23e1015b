"""Runs the student outside PyTorch: export, quantisation, and the speed and accuracy that result."""
