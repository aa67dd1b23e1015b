# OTB100: 100 targets, frames and names as in PyTracking.
test_dataloader = dict(
    batch_size=1,
    num_workers=0,  # an item is a whole sequence; its frames are read while it is tracked
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='ct_mm.OTB100Dataset', data_root='data/otb100'))
test_evaluator = dict(type='ct_mm.SOTMetric')
test_cfg = dict(type='ct_mm.SequenceTestLoop')
