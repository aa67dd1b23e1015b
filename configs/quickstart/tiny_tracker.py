# A 12-layer OSTrack small enough for two CPU cores: 16 + 64 tokens of width 128.
_base_ = ['../_base_/default_runtime.py']
model = dict(
    type='ct_mm.OSTrack',
    backbone=dict(
        type='ct_mm.OneStreamViT', embed_dim=128, depth=12, num_heads=4, patch_size=14,
        template_size=56, search_size=112),
    head=dict(type='ct_mm.CenterHead', in_channels=128, feat_size=8, channels=64),
    template_factor=1.5,
    search_factor=3.0)
train_dataloader = dict(
    batch_size=32,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='ct_mm.DrawSampler'),
    dataset=dict(
        type='ct_mm.PairDataset',
        pipeline=[
            dict(type='ct_mm.PairGrayscale', prob=0.05),
            dict(type='ct_mm.PairFlip', prob=0.5),
            dict(
                type='ct_mm.CropPair', template_size=56, template_factor=1.5, search_size=112, search_factor=3.0,
                center_jitter=2.0, scale_jitter=0.25),
            dict(type='ct_mm.PairBrightness', range=0.2),
            dict(type='ct_mm.PackTrackInputs'),
        ]))
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='ct_mm.SequenceFolder', data_root='ct_mm::demo/clips'))
test_evaluator = dict(type='ct_mm.SOTMetric')
test_cfg = dict()
