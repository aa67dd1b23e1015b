# The training data: segments of photographs over photographs and videos; never a test sequence.
train_dataloader = dict(
    dataset=dict(
        type='ct_mm.PairDataset',
        sources=[
            dict(
                type='ct_mm.CompositePairs',
                canvas=(400, 300),
                target_size=(16, 110),
                bend=0.04,
                images=dict(type='ct_mm.SegmentFolder', data_root='data/bsds500', splits=['train', 'test', 'val_1']),
                videos=dict(type='ct_mm.VideoBackgrounds', data_root='data/videos')),
        ],
        pipeline=[
            dict(type='ct_mm.PairGrayscale', prob=0.1),
            dict(type='ct_mm.PairFlip', prob=0.5),
            dict(
                type='ct_mm.PairDownscale', prob=0.7, max_factor=20.0, min_side=3.5, jpeg=0.4, whole_pixels=True),
            dict(
                type='ct_mm.CropPair', template_size=112, template_factor=2.0, search_size=224, search_factor=4.0,
                center_jitter=3.0, scale_jitter=0.35),
        ]))
