# The full method: 4 layers by replacement training, mimic and guidance, from copies of layers 2, 5, 8 and 11. The mimic
# loss uses normalised tokens and outweighs the others; see notes.md.
_base_ = ['./evidence_tracker.py', './_schedule.py', '../../../configs/_base_/compress.py']
compress = dict(
    teacher='work_dirs/evidence/gpu/teacher/seed0/model.pth',
    num_stages=4,
    mimic=dict(type='ct_mm.FeatureMimicLoss', normalize=True, loss_weight=100.0))
train_dataloader = dict(batch_size=64, dataset=dict(pairs_per_epoch=4000, seed=1))
optim_wrapper = dict(
    type='ct_mm.AutocastOptimWrapper',
    optimizer=dict(type='AdamW', lr=3e-4, weight_decay=1e-4, fused=True),
    clip_grad=dict(max_norm=1.0))
