# TrackingNet: the 511 test sequences, scored by its server.
test_dataloader = dict(
    batch_size=1,
    num_workers=0,  # an item is a whole sequence; its frames are read while it is tracked
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='ct_mm.TrackingNetDataset', data_root='data/trackingnet', split='test'))
test_evaluator = dict(type='ct_mm.SOTMetric')
test_cfg = dict(type='ct_mm.SequenceTestLoop')
