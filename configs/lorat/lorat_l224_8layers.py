# 8 of the 24 layers of LoRAT-L-224. The teacher is a converted release (tools/model_converters).
_base_ = [
    '../_base_/models/lorat_vitl_224.py',
    '../_base_/datasets/lorat_pairs.py',
    '../_base_/schedules/compress_500e.py',
    '../_base_/compress.py',
    '../_base_/default_runtime.py',
]
compress = dict(teacher='checkpoints/lorat_l224.pth', num_stages=8)
