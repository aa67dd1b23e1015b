# SUTrack-B224: two templates of 112 pixels at area factor 2, search region 224 pixels at factor 4.
model = dict(
    type='ct_mm.SUTrack',
    data_preprocessor=dict(type='ct_mm.TrackDataPreprocessor', non_blocking=True),
    backbone=dict(
        type='ct_mm.FastITPN', embed_dim=512, depth=24, num_heads=8, stem_depths=(3, 3), template_size=112,
        search_size=224, num_templates=2, drop_path_rate=0.1),
    head=dict(type='ct_mm.CenterHead', in_channels=512, feat_size=14, channels=256, clamp_size=True),
    task_head=dict(type='ct_mm.TaskHead', in_channels=512),
    template_factor=2.0,
    search_factor=4.0)
