"""The function that is exported: from crops to a box."""
from __future__ import annotations

import copy

import numpy as np
import torch
from mmcv.cnn import fuse_conv_bn
from torch import Tensor, nn

from ct_mm.tracking.evaluation.tracker_cost import count_layers
from ct_mm.tracking.models import BaseTracker
from ct_mm.tracking.runtime.model_card import TEMPLATE_ROLES, ModelCard


class DeployedNetwork(nn.Module):
    """A tracker's network as a function of tensors in the order of its card.

    Batch norms are folded into the convolutions before them.

    Args:
        tracker: A tracker that uses the tracking loop. It is copied and stays unchanged.
        divided: Whether what the tracker can prepare from its templates is a part of its own, whose results are inputs
            of the rest. Otherwise it is computed in each frame.

    Raises:
        ValueError: The tracker does not use the loop, or a weight is not a finite number.

    Examples:
        >>> from ct_mm.registry import MODELS
        >>> size = dict(embed_dim=32, depth=1, num_heads=2, template_size=64, search_size=128)
        >>> tracker = MODELS.build(dict(
        ...     type='ct_mm.OSTrack', backbone=dict(type='ct_mm.OneStreamViT', **size),
        ...     head=dict(type='ct_mm.CenterHead', in_channels=32, feat_size=8, channels=16)))
        >>> network = DeployedNetwork(tracker)
        >>> box, score, *maps = network(*example_inputs(network.card).values())
        >>> box.shape, score.shape
        (torch.Size([1, 4]), torch.Size([1, 1]))
    """

    def __init__(self, tracker: BaseTracker, divided: bool = True) -> None:
        super().__init__()
        check_finite(tracker)
        tracker = copy.deepcopy(tracker).cpu().float().eval()
        tracker.loop = tracker.state = None
        tracker.precision = 'fp32'
        tracker.prepared = tracker.prepared if divided else {}
        self.card = tracker.card(count_layers(tracker))
        self.network = fuse_conv_bn(tracker).requires_grad_(False)
        self.eval()

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Runs the network.

        Args:
            *inputs: The tensors that the card lists, in its order, with the batch first.

        Returns:
            The outputs that the card lists, in its order.
        """
        named = {each.name: value for each, value in zip(self.card.inputs, inputs, strict=True)}
        prepared = [each.name for each in self.card.inputs if each.role == 'prepared']
        shown = {each.name: named[each.name] for each in self.card.inputs if each.role in TEMPLATE_ROLES}
        if not prepared:
            outputs = self.network.network(named)
        else:  # the prepared tensors take the templates' place, and are outputs that need nothing else
            rest = {name: value for name, value in named.items() if name not in shown}
            outputs = {**self.network.network(rest), **self.network.prepare_raw(shown)}
        return tuple(outputs[name] for name in self.card.outputs)


def check_finite(tracker: nn.Module) -> None:
    """Checks the weights of a tracker.

    Raises:
        ValueError: A weight is NaN or infinite; names it.
    """
    wrong = [name for name, value in tracker.state_dict().items()
             if value.is_floating_point() and not torch.isfinite(value).all()]
    if wrong:
        raise ValueError(f'{wrong[0]} holds NaN or infinity (and {len(wrong) - 1} more tensors): the weights are '
                         'damaged; take an earlier checkpoint')


def example_inputs(card: ModelCard, seed: int = 0, batch: int = 1) -> dict[str, Tensor]:
    """Draws random inputs: crops with edges and smooth areas, and a target in the middle of each template.

    Args:
        card: Card of the network.
        seed: Seed of the random images.
        batch: Number of targets.

    Returns:
        The inputs by name, in the order of the card. A number that varies is 2.
    """
    generator = torch.Generator().manual_seed(seed)
    inputs = {}
    for each in card.inputs:
        shape = [batch, *(2 if side is None else side for side in each.shape)]
        if each.role == 'template_mask':
            side = shape[-1]
            value = torch.zeros(shape)
            value[..., side // 4:side - side // 4, side // 4:side - side // 4] = 1
        elif each.role in ('carried', 'prepared'):
            value = torch.randn(shape, generator=generator)
        else:
            value = _picture(shape, generator)
            value = value.round().to(torch.uint8) if each.dtype == 'uint8' else value
        inputs[each.name] = value
    return inputs


def _picture(shape: list[int], generator: torch.Generator) -> Tensor:
    """Draws pictures (..., S, S, 3) in 0..255."""
    *count, side, _, _ = shape
    number = int(np.prod(count))
    coarse = torch.rand(number, 3, 6, 6, generator=generator)
    picture = nn.functional.interpolate(coarse, size=(side, side), mode='bicubic').clamp(0, 1)  # (N, 3, S, S)
    picture[:, :, side // 4:side // 2, side // 3:side // 2] = torch.rand(number, 3, 1, 1, generator=generator)
    return (picture * 255).permute(0, 2, 3, 1).reshape(shape).contiguous()
