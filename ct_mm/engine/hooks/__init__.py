"""Hooks for any training."""
from .safe_checkpoint_hook import SafeCheckpointHook
from .step_seed_hook import StepSeedHook
from .thin_history_hook import ThinHistoryHook

__all__ = ['SafeCheckpointHook', 'StepSeedHook', 'ThinHistoryHook']
