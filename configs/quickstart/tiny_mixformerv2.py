# A MixFormerV2 small enough for two CPU cores, trained in minutes on photographs that come with scikit-image: two
# templates of 16 tokens, 64 tokens of the search region, width 64. It shows the way, not what MixFormerV2 can do.
_base_ = ['../_base_/default_runtime.py']
photographs = [
    'astronaut', 'chelsea', 'coffee', 'ihc', 'motorcycle_left', 'rocket', 'hubble_deep_field', 'retina', 'grass',
    'gravel', 'brick', 'camera', 'coins'
]
model = dict(
    type='ct_mm.MixFormerV2',
    backbone=dict(
        type='ct_mm.MixFormerV2ViT', embed_dim=64, depth=8, num_heads=2, template_size=64, search_size=128),
    head=dict(type='ct_mm.DistributionHead', in_channels=64, bins=32),
    search_factor=4.0)
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='ct_mm.DrawSampler'),
    dataset=dict(
        type='ct_mm.PairDataset',
        pairs_per_epoch=640,
        sources=[
            dict(
                type='ct_mm.CompositePairs', num_templates=2,
                images=dict(type='ct_mm.SkimageSegments', names=photographs))
        ],
        pipeline=[
            dict(type='ct_mm.PairChannelShuffle', prob=0.7),
            dict(type='ct_mm.PairGrayscale', prob=0.05),
            dict(type='ct_mm.PairFlip', prob=0.5),
            dict(type='ct_mm.CropPair', template_size=64, search_size=128, center_jitter=3.0, scale_jitter=0.25),
            dict(type='ct_mm.PairBrightness', range=0.2),
            dict(type='ct_mm.PackTrackInputs'),
        ]))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=30)
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3, weight_decay=1e-4), clip_grad=dict(max_norm=1.0))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=40),
    dict(type='CosineAnnealingLR', by_epoch=True, begin=0, end=30, convert_to_iter_based=True),
]
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='ct_mm.SequenceFolder', data_root='ct_mm::demo/clips'))
test_evaluator = dict(type='ct_mm.SOTMetric')
test_cfg = dict()
