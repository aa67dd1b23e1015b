# The student of 4 layers of teacher_112_224.pth: row fitted_distillation at the scale wide, seed 0.
_base_ = ['../configs/evidence_tracker.py']
model = dict(backbone=dict(depth=4))
