# Eight of the 24 main blocks of SUTrack-B224. The teacher is a converted release (tools/model_converters).
_base_ = [
    '../_base_/models/sutrack_itpn_b224.py',
    '../_base_/datasets/sutrack_pairs.py',
    '../_base_/schedules/compress_500e.py',
    '../_base_/compress.py',
    '../_base_/default_runtime.py',
]
compress = dict(teacher='checkpoints/sutrack_b224.pth', num_stages=8)
