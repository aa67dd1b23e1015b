# Idea: guidance on the score map too, as the paper describes it.
_base_ = ['./full.py']
compress = dict(guidance=dict(type='ct_mm.PredictionGuidanceLoss', terms=('boxes', 'score_map')))
