# The full method without prediction guidance.
_base_ = ['./full.py']
compress = dict(guidance=None)
