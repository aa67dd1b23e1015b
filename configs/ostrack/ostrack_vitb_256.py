# OSTrack-256. The published model starts from MAE weights and trains on LaSOT, COCO and TrackingNet too.
_base_ = [
    '../_base_/models/ostrack_vitb.py',
    '../_base_/datasets/got10k_pairs.py',
    '../_base_/schedules/ostrack_300e.py',
    '../_base_/default_runtime.py',
]
