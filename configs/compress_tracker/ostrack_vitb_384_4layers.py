# Four layers from OSTrack-384, with the recipe of the 256-pixel students; the paper has no such model.
_base_ = [
    '../_base_/models/ostrack_vitb_384px.py',
    '../_base_/datasets/sot_pairs_384px.py',
    '../_base_/schedules/compress_500e.py',
    '../_base_/compress.py',
    '../_base_/default_runtime.py',
]
compress = dict(teacher='checkpoints/ostrack_vitb_384.pth', num_stages=4)
