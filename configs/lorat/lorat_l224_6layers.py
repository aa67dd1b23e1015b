# 6 of the 24 layers of LoRAT-L-224.
_base_ = ['./lorat_l224_8layers.py']
compress = dict(num_stages=6)
