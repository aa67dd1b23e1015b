# Compresses the included tiny SUTrack from eight main blocks to four, on the same photographs. To train the teacher
# yourself, run tiny_sutrack.py first.
_base_ = ['./tiny_sutrack.py', '../_base_/compress.py']
compress = dict(
    teacher='ct_mm::demo/teacher/tiny_sutrack.pth', num_stages=4,
    mimic=dict(type='ct_mm.FeatureMimicLoss', loss_weight=2.0))
train_cfg = dict(max_epochs=10)
optim_wrapper = dict(optimizer=dict(lr=2e-4))
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=True, end=10, convert_to_iter_based=True)]
