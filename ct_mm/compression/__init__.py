"""Compresses any transformer; knows no tracker."""
from .compress import compress
from .compress_runner import CompressRunner
from .losses import FeatureMimicLoss, OutputGuidanceLoss, PredictionGuidanceLoss
from .replacement import replacement_rate, sample_path
from .replacement_distiller import ReplacementDistiller
from .stage_divided_backbone import StageDividedBackbone
from .stage_plan import StagePlan

__all__ = [
    'CompressRunner', 'FeatureMimicLoss', 'OutputGuidanceLoss', 'PredictionGuidanceLoss', 'ReplacementDistiller',
    'StageDividedBackbone', 'StagePlan', 'compress', 'replacement_rate', 'sample_path'
]
