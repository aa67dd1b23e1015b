# 4 of the 12 layers of LoRAT-B-378. The teacher is a converted release (tools/model_converters).
_base_ = [
    '../_base_/models/lorat_vitb_378.py',
    '../_base_/datasets/lorat_pairs_378px.py',
    '../_base_/schedules/compress_500e.py',
    '../_base_/compress.py',
    '../_base_/default_runtime.py',
]
compress = dict(teacher='checkpoints/lorat_b378.pth', num_stages=4)
