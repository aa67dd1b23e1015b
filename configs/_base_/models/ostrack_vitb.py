# OSTrack with ViT-B/16: template 128 pixels at area factor 2, search region 256 pixels at factor 4.
model = dict(
    type='ct_mm.OSTrack',
    data_preprocessor=dict(type='ct_mm.TrackDataPreprocessor', non_blocking=True),
    backbone=dict(
        type='ct_mm.OneStreamViT', embed_dim=768, depth=12, num_heads=12, template_size=128, search_size=256,
        drop_path_rate=0.1),
    head=dict(type='ct_mm.CenterHead', in_channels=768, feat_size=16, channels=256),
    template_factor=2.0,
    search_factor=4.0)
