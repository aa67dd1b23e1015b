# The division of narrow_student.pth and its teacher, for tools that need both: hybrids and their curve.
_base_ = ['../../../configs/quickstart/tiny_tracker.py', '../../../configs/_base_/compress.py']
model = dict(margin=2.0)
compress = dict(teacher='ct_mm::demo/teacher/tiny_teacher.pth', num_stages=4)
