# Compresses the tiny MixFormerV2 that tiny_mixformerv2.py trains from eight layers to four, on the same photographs.
_base_ = ['./tiny_mixformerv2.py', '../_base_/compress.py']
compress = dict(
    teacher='work_dirs/tiny_mixformerv2/epoch_30.pth', num_stages=4,
    mimic=dict(type='ct_mm.FeatureMimicLoss', loss_weight=2.0),
    guidance=dict(type='ct_mm.PredictionGuidanceLoss', terms=('boxes', 'edges')))
train_cfg = dict(max_epochs=10)
optim_wrapper = dict(optimizer=dict(lr=2e-4))
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=True, end=10, convert_to_iter_based=True)]
