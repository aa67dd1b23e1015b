# The RGB data of SUTrack at equal shares: LaSOT, GOT-10k, COCO and TrackingNet. Its authors also train on VastTrack and
# TNL2K, and at half the share on DepthTrack, VisEvent and LasHeR. Frames lie within 400 frames of a base frame.
_base_ = ['./sot_pairs.py']
train_dataloader = dict(
    dataset=dict(
        pairs_per_epoch=100000,
        sources=[
            dict(source, max_gap=400, num_templates=2, causal=False, min_visible=7, task=0)
            for source in _base_.train_dataloader.dataset.sources
        ],
        pipeline=[
            dict(type='ct_mm.PairGrayscale', prob=0.05),
            dict(type='ct_mm.PairFlip', prob=0.5, joint=False),
            dict(type='ct_mm.CropPair', template_size=112, template_factor=2.0, search_size=224, search_factor=4.0,
                 center_jitter=3.5, scale_jitter=0.5),
            dict(type='ct_mm.TemplateMask', cell=16),
            dict(type='ct_mm.PairBrightness', range=0.2),
            dict(type='ct_mm.PackTrackInputs'),
        ]))
