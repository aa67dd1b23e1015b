# The narrow teacher: the quick start's, which tracks already, trained on with the pairs of this experiment.
_base_ = ['./evidence_teacher.py']
optim_wrapper = dict(
    optimizer=dict(lr=5e-4), paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.3))))
