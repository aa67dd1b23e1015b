# The full method with 3 layers.
_base_ = ['./full.py']
compress = dict(num_stages=3)
