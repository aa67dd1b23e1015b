# Fine-tunes the included tracker on your own annotated clips: docs/train_on_your_data.md.
_base_ = ['./tiny_tracker.py']
load_from = 'ct_mm::demo/teacher/tiny_teacher.pth'
train_dataloader = dict(
    dataset=dict(
        pairs_per_epoch=960,
        sources=[
            dict(
                type='ct_mm.SequencePairs',
                dataset=dict(type='ct_mm.SequenceFolder', data_root='data/own/train', test_mode=False))
        ]))
test_dataloader = dict(dataset=dict(data_root='data/own/test'))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=5)
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-4, weight_decay=1e-4),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))), clip_grad=dict(max_norm=1.0))
param_scheduler = dict(type='CosineAnnealingLR', by_epoch=True, end=5, convert_to_iter_based=True)
