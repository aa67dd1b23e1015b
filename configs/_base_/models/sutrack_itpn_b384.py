# As sutrack_itpn_b224.py, with templates of 192 pixels and a search region of 384 pixels.
_base_ = ['./sutrack_itpn_b224.py']
model = dict(backbone=dict(template_size=192, search_size=384), head=dict(feat_size=24))
