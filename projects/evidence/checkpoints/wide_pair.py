# The division of wide_student.pth and its teacher, for tools that need both: hybrids and their curve.
_base_ = ['../configs/evidence_tracker.py', '../../../configs/_base_/compress.py']
compress = dict(teacher='projects/evidence/checkpoints/teacher_112_224.pth', num_stages=4)
