# Idea: start from layers fitted to their stages in closed form.
_base_ = ['./full.py']
compress = dict(fit=dict(samples=512))
