# Trains the teacher of the quick start from nothing, on segments of photographs over photographs.
_base_ = ['./tiny_tracker.py']
train_dataloader = dict(
    dataset=dict(
        pairs_per_epoch=3200,
        sources=[dict(type='ct_mm.CompositePairs', images=dict(type='ct_mm.SegmentFolder', root='data/bsds500'))]))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=45)
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='AdamW', lr=8e-4, weight_decay=0.05), clip_grad=dict(max_norm=1.0))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=300),
    dict(type='CosineAnnealingLR', eta_min=1e-6, by_epoch=True, begin=0, end=45, convert_to_iter_based=True),
]
