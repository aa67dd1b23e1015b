"""What families of trackers share: the parts of a ViT, the centre head and the losses of boxes."""
from .box_losses import BoxL1Loss, GIoULoss
from .center_head import CenterHead
from .gaussian_focal_loss import GaussianFocalLoss

__all__ = ['BoxL1Loss', 'CenterHead', 'GIoULoss', 'GaussianFocalLoss']
