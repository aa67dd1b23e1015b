# The training data of LoRAT: LaSOT, GOT-10k (the videos that VOT allows), COCO and all of TrackingNet at equal shares.
# Template and search frame lie within 100 frames of each other, in either order.
_base_ = ['./sot_pairs.py']
train_dataloader = dict(
    batch_size=16,
    dataset=dict(
        pairs_per_epoch=131072,
        sources=[
            dict(type='ct_mm.NearbyPairs', max_gap=100,
                 dataset={key: value for key, value in source.dataset.items() if key != 'parts'})
            for source in _base_.train_dataloader.dataset.sources
        ],
        pipeline=[
            dict(type='ct_mm.PairFlip', prob=0.5, joint=False),
            dict(type='ct_mm.ContextCropPair', template_size=112, template_factor=2.0, search_size=224,
                 search_factor=4.0, center_jitter=3.0, scale_jitter=0.25),
            dict(type='ct_mm.TemplateMask', cell=14, rule='touched'),
            dict(type='ct_mm.PairColorJitter', brightness=0.4, contrast=0.4, saturation=0.4),
            dict(type='ct_mm.PairThreeAugment'),
            dict(type='ct_mm.PackTrackInputs'),
        ]))
