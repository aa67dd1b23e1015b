# Rival: the copied layers, trained on the ground truth alone.
_base_ = ['./distillation_only.py']
compress = dict(mimic=None, guidance=None)
