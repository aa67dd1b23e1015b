# Trains the score head of MixFormerV2-B; everything else is frozen. Half of the pairs lack the target.
_base_ = ['./mixformerv2_b.py']
load_from = 'work_dirs/mixformerv2_b/epoch_500.pth'
model = dict(train_score=True, backbone=dict(init_cfg=None))
train_dataloader = dict(
    dataset=dict(sources=[
        dict(type='ct_mm.ScorePairs', max_gap=200, min_frames=20, min_visible=7, dataset=source.dataset)
        for source in _base_.train_dataloader.dataset.sources
    ]))
train_cfg = dict(max_epochs=40)
optim_wrapper = dict(optimizer=dict(lr=1e-4))
param_scheduler = [dict(type='MultiStepLR', milestones=[20], gamma=0.1, by_epoch=True)]
