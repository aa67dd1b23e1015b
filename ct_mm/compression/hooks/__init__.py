"""Hooks of a compression run."""
from .division_summary_hook import DivisionSummaryHook
from .replacement_rate_hook import ReplacementRateHook
from .stage_fit_hook import StageFitHook
from .stage_progress_hook import StageProgressHook
from .student_export_hook import StudentExportHook
from .teacher_score_hook import TeacherScoreHook

__all__ = ['DivisionSummaryHook', 'ReplacementRateHook', 'StageFitHook', 'StageProgressHook', 'StudentExportHook',
           'TeacherScoreHook']
