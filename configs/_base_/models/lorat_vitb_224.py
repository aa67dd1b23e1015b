# LoRAT-B-224: DINOv2's ViT-B/14, template 112 pixels at factor 2, search region 224 pixels at factor 4.
model = dict(
    type='ct_mm.LoRAT',
    data_preprocessor=dict(type='ct_mm.TrackDataPreprocessor', non_blocking=True),
    backbone=dict(
        type='ct_mm.OneStreamDINOv2', embed_dim=768, depth=12, num_heads=12, template_size=112, search_size=224),
    head=dict(type='ct_mm.LoRATHead', in_channels=768, feat_size=16),
    template_factor=2.0,
    search_factor=4.0)
