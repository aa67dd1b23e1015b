# The quick start: compresses the included 12-layer teacher to 4 layers on photographs that come with scikit-image. It
# ends with a table of teacher, copied layers and student on the included clip, and a video.
_base_ = ['./tiny_tracker.py', '../_base_/compress.py']
teacher = 'ct_mm::demo/teacher/tiny_teacher.pth'
photographs = [
    'astronaut', 'chelsea', 'coffee', 'ihc', 'motorcycle_left', 'rocket', 'hubble_deep_field', 'retina', 'grass',
    'gravel', 'brick', 'camera', 'coins'
]
# Few photographs and few steps: start from fitted layers, and give the dense feature loss more weight than the paper
# does (0.2). The learning rate is small to avoid overfitting to these photographs.
compress = dict(
    teacher=teacher, num_stages=4, fit=dict(samples=512), export=dict(initial=True),
    mimic=dict(type='ct_mm.FeatureMimicLoss', loss_weight=2.0))
train_dataloader = dict(
    batch_size=16,
    dataset=dict(
        pairs_per_epoch=240,
        sources=[dict(type='ct_mm.CompositePairs', images=dict(type='ct_mm.SkimageSegments', names=photographs))],
        pipeline=[dict(type='ct_mm.PairChannelShuffle', prob=0.7), *_base_.train_dataloader.dataset.pipeline]))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=10)
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='AdamW', lr=2e-6, weight_decay=1e-4), clip_grad=dict(max_norm=1.0))
param_scheduler = dict(type='CosineAnnealingLR', by_epoch=True, end=10, convert_to_iter_based=True)
custom_hooks = [
    dict(
        type='ct_mm.TrackerReportHook',
        data_root='ct_mm::demo/clips',
        video_of=['teacher', 'student'],
        trackers=dict(
            teacher=dict(config='ct_mm::configs/quickstart/tiny_tracker.py', checkpoint=teacher),
            copied=dict(config='{work_dir}/student/student.py', checkpoint='{work_dir}/student/initial.pth'),
            student=dict(config='{work_dir}/student/student.py', checkpoint='{work_dir}/student/student.pth'))),
]
