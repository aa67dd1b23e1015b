"""Hooks of a compression run."""
from .replacement_rate_hook import ReplacementRateHook
from .stage_fit_hook import StageFitHook
from .student_export_hook import StudentExportHook

__all__ = ['ReplacementRateHook', 'StageFitHook', 'StudentExportHook']
