# SUTrack-B224 by the recipe of its authors, who start the backbone from Fast-iTPN's weights. There is no converter for
# these: set load_from to a converted release (tools/model_converters) to go on from it, or train from the beginning.
_base_ = [
    '../_base_/models/sutrack_itpn_b224.py',
    '../_base_/datasets/sutrack_pairs.py',
    '../_base_/schedules/sutrack_180e.py',
    '../_base_/default_runtime.py',
]
