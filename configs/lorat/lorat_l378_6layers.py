# 6 of the 24 layers of LoRAT-L-378.
_base_ = ['./lorat_l378_8layers.py']
compress = dict(num_stages=6)
