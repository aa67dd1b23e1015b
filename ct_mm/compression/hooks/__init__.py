"""Hooks of a compression run."""
from .division_summary_hook import DivisionSummaryHook
from .progressive_removal_hook import ProgressiveRemovalHook
from .replacement_rate_hook import ReplacementRateHook
from .stage_fit_hook import StageFitHook
from .stage_progress_hook import StageProgressHook
from .student_export_hook import StudentExportHook
from .teacher_score_hook import TeacherScoreHook

__all__ = ['DivisionSummaryHook', 'ProgressiveRemovalHook', 'ReplacementRateHook', 'StageFitHook', 'StageProgressHook',
           'StudentExportHook', 'TeacherScoreHook']
