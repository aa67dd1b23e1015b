"""A tracker's network as one function from two uint8 crops to a box: what is exported."""
from __future__ import annotations

import copy

import torch
from mmcv.cnn import fuse_conv_bn
from torch import Tensor, nn

from ct_mm.tracking.models import BaseTracker
from ct_mm.tracking.runtime.model_card import ModelCard


class DeployedNetwork(nn.Module):
    """Normalisation, network, Hann window and reading the box off; batch norms are folded into their convolutions.

    Args:
        tracker: A tracker with a one-stream backbone and a head with ``decode``; it is copied, not changed.

    Raises:
        ValueError: The tracker has not what the exported function is made of.
    """

    def __init__(self, tracker: BaseTracker) -> None:
        super().__init__()
        lacks = [name for name in ('backbone', 'head', 'window', 'template_factor', 'search_factor')
                 if not hasattr(tracker, name)]
        if lacks or not hasattr(tracker.head, 'decode'):
            missing = ' and no '.join(lacks) or 'head.decode'
            raise ValueError(f'{type(tracker).__name__} cannot be exported: it has no {missing}')
        self.network = fuse_conv_bn(copy.deepcopy(tracker).cpu().float().eval()).requires_grad_(False)
        self.network.precision = 'fp32'
        self.eval()

    def forward(self, template: Tensor, search: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Runs on one pair.

        Args:
            template: RGB uint8 (1, St, St, 3).
            search: RGB uint8 (1, Ss, Ss, 3).

        Returns:
            ``box`` (1, 4) cxcywh normalised to the search region, ``score`` (1, 1), ``score_map`` (1, 1, S, S),
            ``size_map`` and ``offset_map`` (1, 2, S, S), see the head.
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
    """What the exported file says about itself.

    Args:
        tracker: The tracker.
        layers: Number of its layers.
    """
    processor = tracker.data_preprocessor
    return ModelCard(
        tracker=type(tracker).__name__,
        template_size=tracker.backbone.template_size,
        search_size=tracker.backbone.search_size,
        template_factor=float(tracker.template_factor),
        search_factor=float(tracker.search_factor),
        mean=tuple(round(float(value), 6) for value in processor.mean.flatten()),
        std=tuple(round(float(value), 6) for value in processor.std.flatten()),
        layers=layers,
        margin=float(getattr(tracker, 'margin', 10.0)))


def example_crops(card: ModelCard, seed: int = 0) -> tuple[Tensor, Tensor]:
    """A template and a search region with edges and smooth parts, as the exporters' example and for the check.

    Args:
        card: Sizes of the crops.
        seed: Of the random pictures.

    Returns:
        RGB uint8 (1, St, St, 3) and (1, Ss, Ss, 3).
    """
    generator = torch.Generator().manual_seed(seed)
    crops = []
    for side in (card.template_size, card.search_size):
        coarse = torch.rand(1, 3, 6, 6, generator=generator)
        picture = nn.functional.interpolate(coarse, size=(side, side), mode='bicubic').clamp(0, 1)  # (1, 3, S, S)
        picture[:, :, side // 4:side // 2, side // 3:side // 2] = torch.rand(1, 3, 1, 1, generator=generator)
        crops.append((picture * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous())
    return crops[0], crops[1]
