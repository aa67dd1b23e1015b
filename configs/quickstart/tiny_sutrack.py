# A SUTrack small enough for two CPU cores, trained in minutes on photographs that come with scikit-image: 64 tokens of
# the search region, two templates of 16 tokens, width 64. It shows the way, not what SUTrack can do.
_base_ = ['../_base_/default_runtime.py']
photographs = [
    'astronaut', 'chelsea', 'coffee', 'ihc', 'motorcycle_left', 'rocket', 'hubble_deep_field', 'retina', 'grass',
    'gravel', 'brick', 'camera', 'coins'
]
model = dict(
    type='ct_mm.SUTrack',
    backbone=dict(
        type='ct_mm.FastITPN', embed_dim=64, depth=8, num_heads=2, stem_depths=(1, 1), template_size=64,
        search_size=128, drop_path_rate=0.0, layer_scale=1.0,
        init_cfg=dict(type='Xavier', layer=['Linear', 'Conv2d'], distribution='uniform')),
    head=dict(type='ct_mm.CenterHead', in_channels=64, feat_size=8, channels=32, clamp_size=True),
    template_factor=1.5,
    search_factor=3.0)
train_dataloader = dict(
    batch_size=32,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='ct_mm.DrawSampler'),
    dataset=dict(
        type='ct_mm.PairDataset',
        pairs_per_epoch=1280,
        sources=[
            dict(
                type='ct_mm.CompositePairs', num_templates=2,
                images=dict(type='ct_mm.SkimageSegments', names=photographs))
        ],
        pipeline=[
            dict(type='ct_mm.PairChannelShuffle', prob=0.7),
            dict(type='ct_mm.PairGrayscale', prob=0.05),
            dict(type='ct_mm.PairFlip', prob=0.5),
            dict(type='ct_mm.CropPair', template_size=64, template_factor=1.5, search_size=128, search_factor=3.0,
                 center_jitter=2.0, scale_jitter=0.25),
            dict(type='ct_mm.TemplateMask', cell=16),
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
