# Ten of the 40 main blocks of SUTrack-L224.
_base_ = [
    '../_base_/models/sutrack_itpn_l224.py',
    '../_base_/datasets/sutrack_pairs.py',
    '../_base_/schedules/compress_500e.py',
    '../_base_/compress.py',
    '../_base_/default_runtime.py',
]
compress = dict(teacher='checkpoints/sutrack_l224.pth', num_stages=10)
