# The published mimic loss: on raw tokens, at a weight of 0.2.
_base_ = ['./full.py']
compress = dict(mimic=dict(_delete_=True, type='ct_mm.FeatureMimicLoss'))
