"""The function that is exported: from two uint8 crops to a box."""
from __future__ import annotations

import copy

import torch
from mmcv.cnn import fuse_conv_bn
from torch import Tensor, nn

from ct_mm.tracking.models import BaseTracker
from ct_mm.tracking.runtime.model_card import ModelCard


class DeployedNetwork(nn.Module):
    """Normalises two crops, runs the network, applies the Hann window and decodes the box.

    Batch norms are folded into the convolutions before them.

    Args:
        tracker: A tracker with a one-stream backbone and a head with ``decode``. It is copied and stays unchanged.

    Raises:
        ValueError: The tracker lacks a part that the exported function needs.

    Examples:
        >>> from ct_mm.registry import MODELS
        >>> size = dict(embed_dim=32, depth=1, num_heads=2, template_size=64, search_size=128)
        >>> tracker = MODELS.build(dict(
        ...     type='ct_mm.OSTrack', backbone=dict(type='ct_mm.OneStreamViT', **size),
        ...     head=dict(type='ct_mm.CenterHead', in_channels=32, feat_size=8, channels=16)))
        >>> box, score, *maps = DeployedNetwork(tracker)(*example_crops(model_card(tracker)))
        >>> box.shape, score.shape
        (torch.Size([1, 4]), torch.Size([1, 1]))
    """

    def __init__(self, tracker: BaseTracker) -> None:
        super().__init__()
        needed = ('backbone', 'head', 'window', 'template_factor', 'search_factor')
        missing = [name for name in needed if not hasattr(tracker, name)]
        if missing or not hasattr(tracker.head, 'decode'):
            raise ValueError(f'{type(tracker).__name__} cannot be exported: it has no '
                             f'{" and no ".join(missing) or "head.decode"}')
        self.network = fuse_conv_bn(copy.deepcopy(tracker).cpu().float().eval()).requires_grad_(False)
        self.network.precision = 'fp32'
        self.eval()

    def forward(self, template: Tensor, search: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Runs the network on one pair of crops.

        Args:
            template: Template crop, RGB uint8 (1, St, St, 3).
            search: Search region, RGB uint8 (1, Ss, Ss, 3).

        Returns:
            ``box`` (1, 4), cxcywh normalised to the search region, ``score`` (1, 1), ``score_map`` (1, 1, S, S),
            ``size_map`` and ``offset_map`` (1, 2, S, S); the maps are described in the head.
        """
        normalize = self.network.data_preprocessor.normalize
        inputs = {name: normalize(image.permute(0, 3, 1, 2).float())  # (1, 3, S, S)
                  for name, image in (('template', template), ('search', search))}
        maps = self.network(inputs, mode='tensor')
        response = maps['score_map'] * self.network.window  # (1, 1, S, S)
        box = self.network.head.decode(response, maps['size_map'], maps['offset_map'])  # (1, 4)
        peak = response.flatten(1).argmax(1, keepdim=True)  # (1, 1)
        score = maps['score_map'].flatten(1).gather(1, peak)  # (1, 1)
        return box, score, maps['score_map'], maps['size_map'], maps['offset_map']


def model_card(tracker: BaseTracker, layers: int | None = None) -> ModelCard:
    """Returns the card that an exported file carries.

    Args:
        tracker: The tracker to describe.
        layers: Number of layers of the tracker. Default: not recorded.
    """
    processor = tracker.data_preprocessor
    return ModelCard(
        tracker=type(tracker).__name__, template_size=tracker.backbone.template_size,
        search_size=tracker.backbone.search_size, template_factor=float(tracker.template_factor),
        search_factor=float(tracker.search_factor),
        mean=tuple(round(float(value), 6) for value in processor.mean.flatten()),
        std=tuple(round(float(value), 6) for value in processor.std.flatten()),
        layers=layers, margin=float(getattr(tracker, 'margin', 10.0)))


def example_crops(card: ModelCard, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Draws a random template and search region with edges and smooth areas, for tracing and checking exports.

    Args:
        card: Card with the sizes of the crops.
        seed: Seed of the random images.

    Returns:
        Template (1, St, St, 3) and search region (1, Ss, Ss, 3), RGB uint8.
    """
    generator = torch.Generator().manual_seed(seed)
    crops = []
    for side in (card.template_size, card.search_size):
        coarse = torch.rand(1, 3, 6, 6, generator=generator)
        picture = nn.functional.interpolate(coarse, size=(side, side), mode='bicubic').clamp(0, 1)  # (1, 3, S, S)
        picture[:, :, side // 4:side // 2, side // 3:side // 2] = torch.rand(1, 3, 1, 1, generator=generator)
        crops.append((picture * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous())
    return crops[0], crops[1]
