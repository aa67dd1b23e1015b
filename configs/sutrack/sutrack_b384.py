# SUTrack-B384, see sutrack_b224.py.
_base_ = [
    '../_base_/models/sutrack_itpn_b384.py',
    '../_base_/datasets/sutrack_pairs_384px.py',
    '../_base_/schedules/sutrack_180e.py',
    '../_base_/default_runtime.py',
]
