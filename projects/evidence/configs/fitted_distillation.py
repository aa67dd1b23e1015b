# Idea without the method: fitted layers, and no replacement.
_base_ = ['./distillation_only.py']
compress = dict(fit=dict(samples=512))
