# CompressTracker-4 from OSTrack-256. The teacher is a converted release (tools/model_converters) or your own.
_base_ = [
    '../_base_/models/ostrack_vitb.py',
    '../_base_/datasets/sot_pairs.py',
    '../_base_/schedules/compress_500e.py',
    '../_base_/compress.py',
    '../_base_/default_runtime.py',
]
compress = dict(teacher='checkpoints/ostrack_vitb_256.pth', num_stages=4)
