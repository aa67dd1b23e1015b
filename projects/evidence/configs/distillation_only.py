# Rival: no replacement; the student runs all stages from the first step.
_base_ = ['./full.py']
compress = dict(replacement=dict(schedule='constant', initial=1.0))
