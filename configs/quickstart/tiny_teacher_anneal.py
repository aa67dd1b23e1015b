# Second part of the teacher's training: other pairs, and the learning rate annealed to almost zero.
_base_ = ['./tiny_teacher.py']
model = dict(backbone=dict(init_cfg=None))
load_from = 'work_dirs/tiny_teacher/epoch_16.pth'
train_dataloader = dict(dataset=dict(seed=1))
train_cfg = dict(max_epochs=10)
optim_wrapper = dict(optimizer=dict(lr=4.5e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=30),
    dict(type='CosineAnnealingLR', eta_min=1e-6, by_epoch=True, begin=0, end=10, convert_to_iter_based=True),
]
