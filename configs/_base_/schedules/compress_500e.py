# The recipe of CompressTracker: 500 epochs, one learning rate for all parameters, divided by 10 at 80 %.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=500, val_interval=20)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=4e-5, weight_decay=1e-4, fused=True),  # one kernel for all parameters
    clip_grad=dict(max_norm=0.1))
param_scheduler = [dict(type='MultiStepLR', milestones=[400], gamma=0.1, by_epoch=True)]
auto_scale_lr = dict(base_batch_size=128, enable=False)
