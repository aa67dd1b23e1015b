# The full method with 8 layers.
_base_ = ['./full.py']
compress = dict(num_stages=8)
