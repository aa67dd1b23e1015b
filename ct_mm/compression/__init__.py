"""Compresses any transformer, independently of tracking."""
from .compress import CompressRunner, compress
from .distillation.losses import FeatureMimicLoss, OutputGuidanceLoss, PredictionGuidanceLoss
from .distillation.replacement import replacement_rate, sample_path
from .distillation.replacement_distiller import ReplacementDistiller
from .division.stage_divided_backbone import StageDividedBackbone
from .division.stage_plan import StagePlan

__all__ = [
    'CompressRunner', 'FeatureMimicLoss', 'OutputGuidanceLoss', 'PredictionGuidanceLoss', 'ReplacementDistiller',
    'StageDividedBackbone', 'StagePlan', 'compress', 'replacement_rate', 'sample_path'
]
