# MixFormerV2-B as released: two templates of 128 pixels at area factor 2, search region 288 pixels at factor 5.
model = dict(
    type='ct_mm.MixFormerV2',
    data_preprocessor=dict(type='ct_mm.TrackDataPreprocessor', non_blocking=True),
    backbone=dict(
        type='ct_mm.MixFormerV2ViT', embed_dim=768, depth=8, num_heads=12, template_size=128, search_size=288,
        drop_path_rate=0.1),
    head=dict(type='ct_mm.DistributionHead', in_channels=768, bins=96, score=True),
    template_factor=2.0,
    search_factor=5.0)
