# Idea: mimic on normalised tokens, so that a few large channels do not rule it.
_base_ = ['./full.py']
compress = dict(mimic=dict(type='ct_mm.FeatureMimicLoss', normalize=True, loss_weight=2.0))
