"""Optimizer wrappers and schedules for any training."""
from .autocast_optim_wrapper import AutocastOptimWrapper
from .warmup_cosine_lr import WarmupCosineLR

__all__ = ['AutocastOptimWrapper', 'WarmupCosineLR']
