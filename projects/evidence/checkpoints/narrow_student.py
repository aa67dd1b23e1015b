# The student of 4 layers that kept most: row combined_long, first seed. Its teacher is demo/teacher/tiny_teacher.pth.
_base_ = ['../../../configs/quickstart/tiny_tracker.py']
model = dict(backbone=dict(depth=4), margin=2.0)
