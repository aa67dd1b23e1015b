# The full method with 6 layers.
_base_ = ['./full.py']
compress = dict(num_stages=6)
