# The recipe of MixFormerV2: 500 epochs, the backbone at a tenth of the learning rate, all rates divided by 10 at 400.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=500, val_interval=20)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=4e-4, weight_decay=1e-4),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))),
    clip_grad=dict(max_norm=0.1))
param_scheduler = [dict(type='MultiStepLR', milestones=[400], gamma=0.1, by_epoch=True)]
auto_scale_lr = dict(base_batch_size=256, enable=False)  # 8 GPUs with 32 pairs each
find_unused_parameters = True  # the score head is trained on its own, afterwards
