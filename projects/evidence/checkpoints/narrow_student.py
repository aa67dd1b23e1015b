# The student of 4 layers: row combined_long, the seed with the most overlap on validation pairs (1).
# Its teacher is demo/teacher/tiny_teacher.pth.
_base_ = ['../../../configs/quickstart/tiny_tracker.py']
model = dict(backbone=dict(depth=4), margin=2.0)
