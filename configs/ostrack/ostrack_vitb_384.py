# OSTrack-384, see ostrack_vitb_256.py; convert MAE's ViT-B with --template-size 192 --search-size 384.
_base_ = [
    '../_base_/models/ostrack_vitb_384px.py',
    '../_base_/datasets/sot_pairs_384px.py',
    '../_base_/schedules/ostrack_300e.py',
    '../_base_/default_runtime.py',
]
model = dict(backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='checkpoints/mae_vitb_384.pth')))
