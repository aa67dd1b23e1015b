# The 12-layer model between the two stages of distillation, as released: 72 bins, no score head.
_base_ = ['./mixformerv2_vit_b.py']
model = dict(backbone=dict(depth=12), head=dict(bins=72, score=False))
