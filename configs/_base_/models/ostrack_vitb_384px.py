# As ostrack_vitb.py, with template 192 pixels at area factor 2 and search region 384 pixels at factor 5.
_base_ = ['./ostrack_vitb.py']
model = dict(
    backbone=dict(template_size=192, search_size=384),
    head=dict(feat_size=24),
    search_factor=5.0)
