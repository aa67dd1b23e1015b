# As got10k_pairs.py, with the crops and the jitter of the 384-pixel models.
_base_ = ['./got10k_pairs.py']
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='ct_mm.PairGrayscale', prob=0.05),
            dict(type='ct_mm.PairFlip', prob=0.5, joint=False),
            dict(type='ct_mm.CropPair', template_size=192, template_factor=2.0, search_size=384, search_factor=5.0,
                 center_jitter=4.5, scale_jitter=0.5),
            dict(type='ct_mm.PairBrightness', range=0.2),
            dict(type='ct_mm.PackTrackInputs'),
        ]))
