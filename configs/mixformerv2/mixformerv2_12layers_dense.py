# Dense to sparse: the 12-layer model also follows the corner maps of a dense teacher, here made of its own release. The
# authors' teacher MixViT is not in this package: register a module with the call of ct_mm.DenseTaughtMixFormerV2.
_base_ = ['./mixformerv2_12layers.py']
model = dict(
    type='ct_mm.DenseTaughtMixFormerV2', teacher_file='checkpoints/mixformerv2_12layers.pth',
    teacher=dict(_base_.model, type='ct_mm.EdgeCornerMaps'))
