# The full method with 2 layers.
_base_ = ['./full.py']
compress = dict(num_stages=2)
