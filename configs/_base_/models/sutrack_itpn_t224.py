# SUTrack-T224, which has one template and never exchanges it.
_base_ = ['./sutrack_itpn_b224.py']
model = dict(
    backbone=dict(embed_dim=384, depth=12, num_heads=6, stem_depths=(1, 1), num_templates=1),
    head=dict(in_channels=384),
    task_head=dict(in_channels=384))
