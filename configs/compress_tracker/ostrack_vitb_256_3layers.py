# CompressTracker-3 from OSTrack-256.
_base_ = ['./ostrack_vitb_256_4layers.py']
compress = dict(num_stages=3)
