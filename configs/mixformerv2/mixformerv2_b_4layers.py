# Four of the eight layers of MixFormerV2-B. The teacher is a converted release (tools/model_converters).
_base_ = [
    '../_base_/models/mixformerv2_vit_b.py', '../_base_/datasets/mixformerv2_pairs.py',
    '../_base_/schedules/compress_500e.py', '../_base_/compress.py', '../_base_/default_runtime.py'
]
compress = dict(
    teacher='checkpoints/mixformerv2_b.pth', num_stages=4,
    guidance=dict(type='ct_mm.PredictionGuidanceLoss', terms=('boxes', 'edges', 'score')))
