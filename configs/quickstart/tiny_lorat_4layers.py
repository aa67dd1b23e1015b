# Compresses the tiny LoRAT from 12 layers to four, on the same photographs. Train the teacher first:
# python -m ct_mm.train configs/quickstart/tiny_lorat.py
_base_ = ['./tiny_lorat.py', '../_base_/compress.py']
compress = dict(
    teacher='work_dirs/tiny_lorat/epoch_16.pth', num_stages=4, fit=dict(samples=512),
    mimic=dict(type='ct_mm.FeatureMimicLoss', loss_weight=2.0))
train_cfg = dict(max_epochs=10)
optim_wrapper = dict(optimizer=dict(lr=2e-4))
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=True, end=10, convert_to_iter_based=True)]
