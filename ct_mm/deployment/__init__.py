"""The student outside of PyTorch: export, quantisation, and what they cost and gain."""
