# GOT-10k: the 180 test sequences, scored by its server.
test_dataloader = dict(
    batch_size=1,
    num_workers=0,  # an item is a whole sequence; its frames are read while it is tracked
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='ct_mm.GOT10kDataset', data_root='data/got10k', split='test'))
test_evaluator = dict(type='ct_mm.SOTMetric')
test_cfg = dict(type='ct_mm.SequenceTestLoop')
