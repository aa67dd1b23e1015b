# The teacher: a pretrained ViT-S/14; all layers are trained, the head at ten times the learning rate of the backbone.
_base_ = ['./evidence_tracker.py', './_schedule.py']
model = dict(
    backbone=dict(
        drop_path_rate=0.05, init_cfg=dict(type='Pretrained', checkpoint='work_dirs/evidence/vit_small_112_224.pth')))
train_dataloader = dict(batch_size=128, dataset=dict(pairs_per_epoch=20000))
optim_wrapper = dict(
    type='ct_mm.AutocastOptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=1e-2, fused=True),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))),
    clip_grad=dict(max_norm=1.0))
custom_hooks = [dict(type='ct_mm.StepSeedHook', seed=0)]
