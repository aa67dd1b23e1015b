# Idea: fitted layers without replacement.
_base_ = ['./distillation_only.py']
compress = dict(fit=dict(samples=512))
