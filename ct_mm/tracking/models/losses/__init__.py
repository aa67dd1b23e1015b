"""Losses of trackers."""
from .gaussian_focal_loss import GaussianFocalLoss
from .giou_loss import GIoULoss
from .l1_loss import BoxL1Loss

__all__ = ['BoxL1Loss', 'GIoULoss', 'GaussianFocalLoss']
