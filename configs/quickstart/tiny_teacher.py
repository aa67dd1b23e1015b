# Trains the teacher of the quick start on segments of photographs pasted over other photographs. Its backbone starts
# from a pretrained ViT-S, narrowed to this width by projects/quickstart_teacher/narrow_vit.py.
_base_ = ['./tiny_tracker.py']
model = dict(backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='work_dirs/narrow_vit.pth')))
train_dataloader = dict(
    dataset=dict(
        pairs_per_epoch=3200,
        sources=[dict(type='ct_mm.CompositePairs', images=dict(type='ct_mm.SegmentFolder', data_root='data/bsds500'))]))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=16)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=7e-4, weight_decay=1e-2),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.06))),
    clip_grad=dict(max_norm=1.0))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(
        type='CosineAnnealingLR', T_max=36, eta_min=1e-6, by_epoch=True, begin=0, end=16, convert_to_iter_based=True),
]
custom_hooks = [dict(type='ct_mm.StepSeedHook', seed=0)]
