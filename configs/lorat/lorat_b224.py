# LoRAT-B-224 by the recipe of its authors: LoRA beside a frozen DINOv2, whose weights are made by
# tools/model_converters/lorat_to_ct_mm.py dinov2_vitb14_pretrain.pth checkpoints/dinov2_vitb14_224.pth
# --search-size 224 --backbone-only. The same tool folds the trained LoRA, before compression.
_base_ = [
    '../_base_/models/lorat_vitb_224.py',
    '../_base_/datasets/lorat_pairs.py',
    '../_base_/schedules/lorat_170e.py',
    '../_base_/default_runtime.py',
]
model = dict(
    backbone=dict(
        lora_rank=64, init_cfg=dict(type='Pretrained', checkpoint='checkpoints/dinov2_vitb14_224.pth')))
