"""MixFormerV2: backbone, head, tracker, its own distillation, and in ``converter`` the released weights."""
from .ciou_loss import CIoULoss
from .dense_taught import DenseTaughtMixFormerV2
from .distribution_head import DistributionHead
from .edge_corner_maps import EdgeCornerMaps
from .guidance_losses import EdgeKLLoss
from .mixformerv2 import MixFormerV2
from .mixformerv2_vit import MixFormerV2ViT

__all__ = ['CIoULoss', 'DenseTaughtMixFormerV2', 'DistributionHead', 'EdgeCornerMaps', 'EdgeKLLoss', 'MixFormerV2',
           'MixFormerV2ViT']
