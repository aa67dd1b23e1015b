# LoRAT-L-224: as lorat_vitb_224.py, with DINOv2's ViT-L/14.
_base_ = ['./lorat_vitb_224.py']
model = dict(
    backbone=dict(embed_dim=1024, depth=24, num_heads=16, drop_path_rate=0.1),
    head=dict(in_channels=1024))
