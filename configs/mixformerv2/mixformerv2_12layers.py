# The 12-layer model, trained on boxes alone. Its backbone starts from MAE's ViT-B, converted for mixformerv2_b.py.
_base_ = [
    '../_base_/models/mixformerv2_vit_12layers.py',
    '../_base_/datasets/mixformerv2_pairs.py',
    '../_base_/schedules/mixformerv2_500e.py',
    '../_base_/default_runtime.py',
]
model = dict(backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='checkpoints/mae_vitb_256.pth')))
