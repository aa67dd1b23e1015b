# The test set of TNL2K, 700 sequences, tracked by their boxes.
test_dataloader = dict(
    batch_size=1,
    num_workers=0,  # an item is a whole sequence; its frames are read while it is tracked
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='ct_mm.TNL2KDataset', data_root='data/tnl2k'))
test_evaluator = dict(type='ct_mm.SOTMetric')
test_cfg = dict(type='ct_mm.SequenceTestLoop')
