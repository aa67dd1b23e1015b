# All ideas together: fitted layers, guidance on the score map, averaged weights.
_base_ = ['./full.py']
compress = dict(
    fit=dict(samples=512), guidance=dict(type='ct_mm.PredictionGuidanceLoss', terms=('boxes', 'score_map')))
custom_hooks = [dict(type='EMAHook', momentum=0.005)]
