"""Training with a teacher that predicts dense maps of the corners (dense-to-sparse distillation).

References:
    MixFormerV2: Efficient Fully Transformer Tracking, arXiv 2305.15896, section 3.3.
"""
from __future__ import annotations

import math
import os
from typing import Any

import torch
from torch import Tensor, nn

from ct_mm.engine.checkpoints.reading import read_state_dict
from ct_mm.registry import MODELS
from ct_mm.tracking.structures import TrackDataSample

from .mixformerv2 import MixFormerV2


def corner_marginals(top_left: Tensor, bottom_right: Tensor) -> Tensor:
    """Sums two maps of corners to distributions of the four edges.

    Args:
        top_left: Probabilities of the top left corner (B, N * N) or (B, N, N): rows are y, columns x.
        bottom_right: The same of the bottom right corner.

    Returns:
        Distributions (B, 4, N): left, right, top, bottom.

    Raises:
        ValueError: If a map is not square.

    Examples:
        >>> maps = torch.tensor([[0., 1, 0, 0]]), torch.tensor([[0., 0, 0, 1]])  # corners at x=1, y=0 and x=1, y=1
        >>> corner_marginals(*maps).tolist()
        [[[0.0, 1.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]]
    """
    maps = []
    for name, probabilities in (('top left', top_left), ('bottom right', bottom_right)):
        side = math.isqrt(probabilities[0].numel())
        if side * side != probabilities[0].numel():
            raise ValueError(f'the map of the {name} corner, {tuple(probabilities.shape)}, is not square')
        maps.append(probabilities.reshape(-1, side, side))
    return torch.stack([maps[0].sum(1), maps[1].sum(1), maps[0].sum(2), maps[1].sum(2)], 1)


@MODELS.register_module()
class DenseTaughtMixFormerV2(MixFormerV2):
    """MixFormerV2 in training, whose distributions follow a dense teacher's corner maps.

    The teacher is called as ``teacher(template, search)`` with normalised images (B, n, 3, Ht, Wt) and (B, 3, Hs, Ws),
    as the tracker is, and returns the probabilities of the two corners, top left and bottom right, each (B, N * N) or
    (B, N, N), rows y, columns x, where N is the head's number of bins. The teacher is frozen, in eval mode, and in no
    state dict: checkpoints are those of a ``ct_mm.MixFormerV2``.

    Args:
        teacher: Config of the teacher, a registered module; or the module itself.
        teacher_file: Checkpoint of its weights; ``None`` if the module loads them itself.
        loss_edges: Config of the loss between distributions. Default: ``ct_mm.EdgeKLLoss`` with weight 5.
        **tracker: Arguments of :class:`MixFormerV2`.

    Raises:
        ValueError: If the score is trained, which has no part in this training.
    """

    def __init__(self, teacher: dict | nn.Module, teacher_file: str | os.PathLike | None = None,
                 loss_edges: dict | None = None, **tracker: Any) -> None:
        super().__init__(**tracker)
        if self.train_score:
            raise ValueError('model.train_score=True needs no teacher: use ct_mm.MixFormerV2')
        teacher = teacher if isinstance(teacher, nn.Module) else MODELS.build(teacher)
        self._teacher = (teacher.eval().requires_grad_(False), )  # in a tuple: not a submodule
        self.teacher_file = teacher_file
        self.loss_edges = MODELS.build(loss_edges or dict(type='ct_mm.EdgeKLLoss', loss_weight=5.0))

    @property
    def teacher(self) -> nn.Module:
        """The frozen teacher."""
        return self._teacher[0]

    def init_weights(self) -> None:
        """Initialises the tracker and reads the teacher's weights, when a training starts or resumes.

        Raises:
            FileNotFoundError: If the teacher's file does not exist.
            ValueError: If it does not fit the teacher exactly.
        """
        super().init_weights()
        if self.teacher_file is not None:
            try:
                self.teacher.load_state_dict(read_state_dict(self.teacher_file), strict=True)
            except RuntimeError as error:
                raise ValueError(f'model.teacher_file={str(self.teacher_file)!r} does not fit the teacher: '
                                 f'{error}') from error

    def loss(self, inputs: dict[str, Tensor], data_samples: list[TrackDataSample]) -> dict[str, Tensor]:
        """Computes the losses of the box and ``loss_edges``, between the distributions; arguments as in the base class.

        Raises:
            ValueError: If the teacher's maps have another number of cells than the head has bins.
        """
        predictions = self._forward(inputs)
        with torch.no_grad():
            targets = corner_marginals(*self.teacher.eval()(inputs['template'], inputs['search']))  # (B, 4, N)
        if targets.shape != predictions['edges'].shape:
            raise ValueError(f'the teacher has maps of {targets.shape[-1]} cells a side, but the head has '
                             f'{self.head.bins} bins: set model.head.bins={targets.shape[-1]}')
        losses = self._losses(predictions, inputs['search'], data_samples)
        return dict(losses, loss_edges=self.loss_edges(predictions['edges'], targets.float().clamp(min=1e-30).log()))

    def _apply(self, fn: Any, recurse: bool = True) -> nn.Module:
        self.teacher._apply(fn, recurse)  # not a submodule, so it has to be moved and cast explicitly
        return super()._apply(fn, recurse)
