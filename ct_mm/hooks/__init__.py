"""Hooks that any training may use."""
from .safe_checkpoint_hook import SafeCheckpointHook
from .step_seed_hook import StepSeedHook

__all__ = ['SafeCheckpointHook', 'StepSeedHook']
