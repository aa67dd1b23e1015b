# Compresses the tiny SUTrack from eight main blocks to four, on the same photographs. Train the teacher first:
# python -m ct_mm.train configs/quickstart/tiny_sutrack.py
_base_ = ['./tiny_sutrack.py', '../_base_/compress.py']
compress = dict(
    teacher='work_dirs/tiny_sutrack/epoch_30.pth', num_stages=4, fit=dict(samples=512),
    mimic=dict(type='ct_mm.FeatureMimicLoss', loss_weight=2.0))
train_cfg = dict(max_epochs=10)
optim_wrapper = dict(optimizer=dict(lr=2e-4))
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=True, end=10, convert_to_iter_based=True)]
