# OSTrack on a ViT-S/14: template 112 and search region 224 pixels, 64 + 256 tokens as in OSTrack-256.
_base_ = ['../../../configs/_base_/default_runtime.py']
model = dict(
    type='ct_mm.OSTrack',
    data_preprocessor=dict(type='ct_mm.TrackDataPreprocessor', non_blocking=True),
    backbone=dict(
        type='ct_mm.OneStreamViT', embed_dim=384, depth=12, num_heads=6, patch_size=14, template_size=112,
        search_size=224),
    head=dict(type='ct_mm.CenterHead', in_channels=384, feat_size=16, channels=96),
    template_factor=2.0,
    search_factor=4.0,
    margin=2.0)  # a far target is smaller than the published 10 pixels
train_dataloader = dict(
    num_workers=2,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='ct_mm.DrawSampler'),
    dataset=dict(
        type='ct_mm.PairDataset',
        sources=[dict(type='ct_mm.PackedPairs', data_root='work_dirs/evidence/pairs_112_224')],
        pipeline=[dict(type='ct_mm.PairBrightness', range=0.2), dict(type='ct_mm.PackTrackInputs')]))
test_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='ct_mm.SequenceFolder', data_root='data/sequences'))
test_evaluator = dict(type='ct_mm.SOTMetric')
test_cfg = dict()
default_hooks = dict(checkpoint=dict(interval=5, max_keep_ckpts=1))
