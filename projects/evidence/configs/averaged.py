# Idea: export an exponential moving average of the weights.
_base_ = ['./full.py']
custom_hooks = [dict(type='EMAHook', momentum=0.005)]
