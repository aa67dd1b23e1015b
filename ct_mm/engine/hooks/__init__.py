"""Hooks for any training."""
from .checkpoint_fit_hook import CheckpointFitHook
from .safe_checkpoint_hook import SafeCheckpointHook
from .step_seed_hook import StepSeedHook
from .thin_history_hook import ThinHistoryHook

__all__ = ['CheckpointFitHook', 'SafeCheckpointHook', 'StepSeedHook', 'ThinHistoryHook']
