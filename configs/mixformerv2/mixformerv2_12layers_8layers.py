# Eight of the 12 layers by CompressTracker; mixformerv2_12layers_8layers_removal.py does it as the authors do.
_base_ = [
    '../_base_/models/mixformerv2_vit_12layers.py', '../_base_/datasets/mixformerv2_pairs.py',
    '../_base_/schedules/compress_500e.py', '../_base_/compress.py', '../_base_/default_runtime.py'
]
compress = dict(
    teacher='checkpoints/mixformerv2_12layers.pth', num_stages=8,
    guidance=dict(type='ct_mm.PredictionGuidanceLoss', terms=('boxes', 'edges')))
