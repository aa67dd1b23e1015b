# Twenty epochs, whose length the driver sets: one of warm-up, then a cosine to zero.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=20)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=True, begin=0, end=1, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', eta_min=1e-7, by_epoch=True, begin=1, end=20, convert_to_iter_based=True),
]
