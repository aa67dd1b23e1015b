# The ideas together: fitted layers, mimic on normalised tokens, guidance on the score map.
_base_ = ['./full.py']
compress = dict(
    fit=dict(samples=512),
    mimic=dict(type='ct_mm.FeatureMimicLoss', normalize=True, loss_weight=2.0),
    guidance=dict(type='ct_mm.PredictionGuidanceLoss', terms=('boxes', 'score_map')))
