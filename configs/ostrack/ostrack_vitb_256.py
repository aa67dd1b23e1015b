# OSTrack-256 on the published mix of training data (got10k_pairs.py: GOT-10k's own protocol). Its backbone starts from
# MAE's ViT-B: tools/model_converters/vit_to_ct_mm.py mae_pretrain_vit_base.pth checkpoints/mae_vitb_256.pth
_base_ = [
    '../_base_/models/ostrack_vitb.py',
    '../_base_/datasets/sot_pairs.py',
    '../_base_/schedules/ostrack_300e.py',
    '../_base_/default_runtime.py',
]
model = dict(backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='checkpoints/mae_vitb_256.pth')))
