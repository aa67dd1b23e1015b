# Trains on pairs of GOT-10k and tests on its validation sequences, both in their official folders.
train_dataloader = dict(
    batch_size=32,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    collate_fn=dict(type='default_collate'),  # a batch goes from worker to trainer as two tensors, not as 64
    sampler=dict(type='ct_mm.DrawSampler'),
    dataset=dict(
        type='ct_mm.PairDataset',
        pairs_per_epoch=60000,
        sources=[
            dict(
                type='ct_mm.SequencePairs',
                dataset=dict(type='ct_mm.SequenceFolder', data_root='data/got10k/train'),
                max_gap=200)
        ],
        pipeline=[
            dict(type='ct_mm.PairGrayscale', prob=0.05),
            dict(type='ct_mm.PairFlip', prob=0.5, joint=False),
            dict(type='ct_mm.CropPair', template_size=128, template_factor=2.0, search_size=256, search_factor=4.0,
                 center_jitter=3.0, scale_jitter=0.25),
            dict(type='ct_mm.PairBrightness', range=0.2),
            dict(type='ct_mm.PackTrackInputs'),
        ]))
test_dataloader = dict(
    batch_size=1,
    num_workers=0,  # an item is a whole sequence; its frames are read while it is tracked
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='ct_mm.SequenceFolder', data_root='data/got10k/val'))
test_evaluator = dict(type='ct_mm.SOTMetric')
val_dataloader = test_dataloader
val_evaluator = test_evaluator
