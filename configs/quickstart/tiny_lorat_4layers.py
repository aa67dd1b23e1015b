# Compresses the included tiny LoRAT from eight layers to four, on the same photographs. To train the teacher yourself,
# run tiny_lorat.py first.
_base_ = ['./tiny_lorat.py', '../_base_/compress.py']
compress = dict(
    teacher='ct_mm::demo/teacher/tiny_lorat.pth', num_stages=4,
    mimic=dict(type='ct_mm.FeatureMimicLoss', loss_weight=2.0))
train_cfg = dict(max_epochs=10)
optim_wrapper = dict(optimizer=dict(lr=2e-4))
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=True, end=10, convert_to_iter_based=True)]
