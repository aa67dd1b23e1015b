"""Layers and losses shared by families of trackers: parts of a ViT, the centre head and box losses."""
from .box_losses import BoxL1Loss, GIoULoss
from .center_head import CenterHead
from .gaussian_focal_loss import GaussianFocalLoss

__all__ = ['BoxL1Loss', 'CenterHead', 'GIoULoss', 'GaussianFocalLoss']
