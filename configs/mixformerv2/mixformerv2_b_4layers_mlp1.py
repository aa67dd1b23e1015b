# Four of the eight layers of MixFormerV2-B, with an MLP ratio of 1 instead of 4, as MixFormerV2-S has.
_base_ = ['./mixformerv2_b_4layers.py']
compress = dict(student=dict(mlp_ratio=1.0))
