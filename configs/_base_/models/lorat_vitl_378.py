# As lorat_vitl_224.py, with template 196 pixels at factor 2 and search region 378 pixels at factor 5.
_base_ = ['./lorat_vitl_224.py']
model = dict(backbone=dict(template_size=196, search_size=378), head=dict(feat_size=27), search_factor=5.0)
