"""Losses between student and teacher."""
from .feature_mimic_loss import FeatureMimicLoss
from .output_guidance_loss import OutputGuidanceLoss
from .prediction_guidance_loss import PredictionGuidanceLoss

__all__ = ['FeatureMimicLoss', 'OutputGuidanceLoss', 'PredictionGuidanceLoss']
