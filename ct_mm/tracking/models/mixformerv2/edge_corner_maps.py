"""A dense teacher made of a tracker that predicts distributions of edges."""
from __future__ import annotations

import torch
from torch import Tensor

from ct_mm.registry import MODELS

from .mixformerv2 import MixFormerV2


@MODELS.register_module()
class EdgeCornerMaps(MixFormerV2):
    """Maps of the two corners as products of a MixFormerV2's distributions: an example of a dense teacher.

    With it, a larger or longer trained MixFormerV2 teaches ``ct_mm.DenseTaughtMixFormerV2``; weights are those of the
    tracker. The teacher of the paper, MixViT, predicts such maps itself: a module that runs it needs a ``forward`` like
    this one.

    Examples:
        >>> teacher = EdgeCornerMaps(
        ...     head=dict(type='ct_mm.DistributionHead', in_channels=32, bins=24),
        ...     backbone=dict(type='ct_mm.MixFormerV2ViT', embed_dim=32, depth=2, num_heads=2, template_size=32,
        ...                   search_size=64))
        >>> [tuple(corner.shape) for corner in teacher(torch.rand(1, 2, 3, 32, 32), torch.rand(1, 3, 64, 64))]
        [(1, 24, 24), (1, 24, 24)]
    """

    def forward(self, template: Tensor, search: Tensor) -> tuple[Tensor, Tensor]:
        """Predicts where the corners of the target are.

        Args:
            template: Normalised templates (B, n, 3, Ht, Wt).
            search: Normalised search region (B, 3, Hs, Ws).

        Returns:
            Probabilities of the top left and of the bottom right corner, (B, N, N) each: rows y, columns x.
        """
        edges = self._forward(dict(template=template, search=search))['edges'].softmax(-1)
        left, right, top, bottom = edges.unbind(1)  # (B, N) each
        return torch.einsum('by,bx->byx', top, left), torch.einsum('by,bx->byx', bottom, right)
