# MixFormerV2-S as released. Its benchmarks were run with search factors of 4.4 (LaSOT) and 4.55 (TrackingNet, GOT-10k).
_base_ = ['./mixformerv2_vit_b.py']
model = dict(backbone=dict(depth=4, mlp_ratio=1.0, template_size=112, search_size=224), search_factor=4.5)
