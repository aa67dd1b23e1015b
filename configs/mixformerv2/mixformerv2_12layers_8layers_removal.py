# Deep to shallow, as its authors do it: layers 0, 3, 6 and 9 fade out in 40 epochs, all others are trained throughout.
_base_ = [
    '../_base_/models/mixformerv2_vit_12layers.py', '../_base_/datasets/mixformerv2_pairs.py',
    '../_base_/schedules/mixformerv2_500e.py', '../_base_/compress.py', '../_base_/default_runtime.py'
]
compress = dict(
    teacher='checkpoints/mixformerv2_12layers.pth', stage_sizes=[3, 3, 3, 3], layers_per_stage=2,
    replacement=dict(schedule='constant', initial=1.0),
    mimic=dict(type='ct_mm.FeatureMimicLoss', loss_weight=0.2, by_group=False),
    guidance=dict(type='ct_mm.PredictionGuidanceLoss', terms=('edges', )))
custom_hooks = [dict(type='ct_mm.ProgressiveRemovalHook', length=40)]
train_cfg = dict(max_epochs=545)
param_scheduler = [dict(type='MultiStepLR', milestones=[445], gamma=0.1, by_epoch=True)]
