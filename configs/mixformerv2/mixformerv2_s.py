# MixFormerV2-S, see mixformerv2_b.py. Its authors have not released how they made it.
_base_ = [
    '../_base_/models/mixformerv2_vit_s.py',
    '../_base_/datasets/mixformerv2_pairs_224px.py',
    '../_base_/schedules/mixformerv2_500e.py',
    '../_base_/default_runtime.py',
]
