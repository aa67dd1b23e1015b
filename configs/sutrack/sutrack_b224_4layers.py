# Four of the 24 main blocks of SUTrack-B224.
_base_ = ['./sutrack_b224_8layers.py']
compress = dict(num_stages=4)
