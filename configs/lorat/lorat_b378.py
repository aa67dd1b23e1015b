# LoRAT-B-378 by the recipe of its authors, see lorat_b224.py.
_base_ = [
    '../_base_/models/lorat_vitb_378.py',
    '../_base_/datasets/lorat_pairs_378px.py',
    '../_base_/schedules/lorat_170e.py',
    '../_base_/default_runtime.py',
]
model = dict(
    backbone=dict(
        lora_rank=64, init_cfg=dict(type='Pretrained', checkpoint='checkpoints/dinov2_vitb14_378.pth')))
