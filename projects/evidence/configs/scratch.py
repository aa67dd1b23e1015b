# Rival: four layers from random weights, trained on the ground truth alone.
_base_ = ['./evidence_tracker.py', './_schedule.py']
model = dict(backbone=dict(depth=4))
train_dataloader = dict(batch_size=64, dataset=dict(pairs_per_epoch=4000, seed=1))
optim_wrapper = dict(
    type='ct_mm.AutocastOptimWrapper',
    optimizer=dict(type='AdamW', lr=4e-4, weight_decay=1e-4, fused=True),
    clip_grad=dict(max_norm=1.0))
custom_hooks = [dict(type='ct_mm.StepSeedHook', seed=0)]
