# The full method without feature mimicking.
_base_ = ['./full.py']
compress = dict(mimic=None)
