# SUTrack-T224, see sutrack_b224.py.
_base_ = [
    '../_base_/models/sutrack_itpn_t224.py',
    '../_base_/datasets/sutrack_pairs_one_template.py',
    '../_base_/schedules/sutrack_180e.py',
    '../_base_/default_runtime.py',
]
