# Inherit this instead of compress.py where the budget is hours and not days: layers fitted in closed form to begin
# with, and a mimic on normalised tokens that outweighs the other losses. What it is worth: docs/evidence.md.
_base_ = ['./compress.py']
compress = dict(fit=dict(samples=512), mimic=dict(type='ct_mm.FeatureMimicLoss', normalize=True, loss_weight=100.0))
