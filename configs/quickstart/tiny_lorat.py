# A LoRAT small enough for two CPU cores, trained on photographs that come with scikit-image: 16 + 64 tokens of width
# 128. Its blocks start from those of the included OSTrack, as a real LoRAT starts from DINOv2; all is trained, without
# LoRA. It shows the way to train and compress a LoRAT; how well it tracks was not measured.
_base_ = ['./tiny_sutrack.py']
model = dict(
    _delete_=True,
    type='ct_mm.LoRAT',
    backbone=dict(
        type='ct_mm.OneStreamDINOv2', embed_dim=128, depth=12, num_heads=4, template_size=56, search_size=112,
        init_cfg=dict(type='Pretrained', checkpoint='ct_mm::demo/teacher/tiny_teacher.pth', prefix='backbone.')),
    head=dict(type='ct_mm.LoRATHead', in_channels=128, feat_size=8),
    template_factor=1.5,
    search_factor=3.0)
train_dataloader = dict(
    dataset=dict(
        sources=[
            dict(
                type='ct_mm.CompositePairs',
                images=dict(type='ct_mm.SkimageSegments', names=_base_.photographs))
        ],
        pipeline=[
            dict(type='ct_mm.PairChannelShuffle', prob=0.7),
            dict(type='ct_mm.PairFlip', prob=0.5),
            dict(type='ct_mm.ContextCropPair', template_size=56, template_factor=1.5, search_size=112,
                 search_factor=3.0, center_jitter=2.0, scale_jitter=0.2),
            dict(type='ct_mm.TemplateMask', cell=14, rule='touched'),
            dict(type='ct_mm.PairColorJitter', brightness=0.2, contrast=0.2, saturation=0.2),
            dict(type='ct_mm.PackTrackInputs'),
        ]))
train_cfg = dict(max_epochs=16)
optim_wrapper = dict(
    optimizer=dict(lr=2e-3), paramwise_cfg=dict(custom_keys={'backbone.blocks': dict(lr_mult=0.3)}))
param_scheduler = [
    dict(type='ct_mm.WarmupCosineLR', warmup=1, length=15, start_factor=0.01, by_epoch=True,
         convert_to_iter_based=True)
]
