# Four of the 12 main blocks of SUTrack-T224.
_base_ = [
    '../_base_/models/sutrack_itpn_t224.py',
    '../_base_/datasets/sutrack_pairs_one_template.py',
    '../_base_/schedules/compress_500e.py',
    '../_base_/compress.py',
    '../_base_/default_runtime.py',
]
compress = dict(teacher='checkpoints/sutrack_t224.pth', num_stages=4)
