# SUTrack-L224, with the crops of B224.
_base_ = ['./sutrack_itpn_b224.py']
model = dict(
    backbone=dict(embed_dim=768, depth=40, num_heads=12, stem_depths=(2, 2)),
    head=dict(in_channels=768),
    task_head=dict(in_channels=768))
