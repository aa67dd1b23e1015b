# Inherit this instead of compress.py for a budget of hours instead of days: layers start fitted in closed form, and the
# mimic loss on normalised tokens outweighs the other losses. docs/evidence.md shows the effect.
_base_ = ['./compress.py']
compress = dict(fit=dict(samples=512), mimic=dict(type='ct_mm.FeatureMimicLoss', normalize=True, loss_weight=100.0))
