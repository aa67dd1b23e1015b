# MixFormerV2-B, trained on boxes alone; the score head follows in mixformerv2_b_score.py. Its backbone starts from the
# first layers of MAE's ViT-B:
# tools/model_converters/vit_to_ct_mm.py mae_pretrain_vit_base.pth checkpoints/mae_vitb_256.pth
_base_ = [
    '../_base_/models/mixformerv2_vit_b.py',
    '../_base_/datasets/mixformerv2_pairs.py',
    '../_base_/schedules/mixformerv2_500e.py',
    '../_base_/default_runtime.py',
]
model = dict(backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='checkpoints/mae_vitb_256.pth')))
