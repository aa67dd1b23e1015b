"""What ``ct_mm::_base_/compress.py`` is in the text style.

From the command line of another codebase, which does not know ``ct_mm::``::

    with read_base():
        from ct_mm.configs.compression import *
    compress.update(teacher='work_dirs/my_tracker/epoch_300.pth')
"""
compress = dict(num_stages=4)
runner_type = 'ct_mm.CompressRunner'
