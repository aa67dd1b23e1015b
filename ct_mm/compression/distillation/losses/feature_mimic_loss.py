"""Stage-wise feature mimicking.

References:
    CompressTracker, arXiv 2409.17564, section 3.4; the weights of the token groups: the released code.
"""
from __future__ import annotations

from typing import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ct_mm.registry import MODELS


@MODELS.register_module()
class FeatureMimicLoss(nn.Module):
    """Mean over stages and token groups of the mean squared error, with equal weights.

    With template and search tokens this is ``1/2 (MSE_search + MSE_template)`` for each stage: the few template tokens
    count as much as the many search tokens.

    Args:
        loss_weight: Factor on the loss (0.2 in the paper).
        normalize: First normalise each token to mean 0 and variance 1 over its channels, as the next block's norm does.
            This is not in the paper. In pretrained ViTs, a few channels are a hundred times larger than the others and
            otherwise dominate the error.
        by_group: Weight the groups of tokens equally; otherwise all tokens count alike.

    Attributes:
        stage_errors: The error of each stage (K,) at the last call, without gradient and weight; ``None`` before it.

    Examples:
        >>> student, teacher = [torch.zeros(2, 5, 8)], [torch.ones(2, 5, 8)]
        >>> FeatureMimicLoss(0.2)(student, teacher, dict(template=1, search=4))
        tensor(0.2000)
    """

    def __init__(self, loss_weight: float = 0.2, normalize: bool = False, by_group: bool = True) -> None:
        super().__init__()
        self.loss_weight, self.normalize, self.by_group = loss_weight, normalize, by_group
        self.stage_errors: Tensor | None = None

    def forward(self, student: Sequence[Tensor], teacher: Sequence[Tensor],
                groups: dict[str, int] | Sequence[dict[str, int] | None] | None = None,
                kept: Sequence[Tensor | None] | None = None) -> Tensor:
        """Compares stage by stage, always in float32.

        Args:
            student: For each stage the tokens (B, T, C) at its end, along the step's path.
            teacher: The tokens of the teacher's own pass, without gradient.
            groups: Number of tokens of each group, in order, or a list with one such dict for each stage; ``None`` is
                one group.
            kept: For each stage which tokens are compared (B, T) bool, if a model drops some; ``None`` is all.

        Returns:
            Weighted loss, a scalar.

        Raises:
            ValueError: If the numbers of stages or the shapes differ, or the groups do not add up.
        """
        if len(student) != len(teacher):
            raise ValueError(f'{len(student)} stages of the student, {len(teacher)} of the teacher')
        if groups is None or isinstance(groups, dict):
            groups = [groups] * len(student)
        stages = zip(student, teacher, groups, kept or [None] * len(student), strict=True)
        errors = torch.stack([self._stage_error(i, *stage) for i, stage in enumerate(stages)])  # (K,)
        self.stage_errors = errors.detach()
        return self.loss_weight * errors.mean()

    def _stage_error(self, stage: int, student: Tensor, teacher: Tensor, groups: dict[str, int] | None,
                     kept: Tensor | None) -> Tensor:
        if student.shape != teacher.shape:
            raise ValueError(f'stage {stage}: student tokens {tuple(student.shape)}, '
                             f'teacher tokens {tuple(teacher.shape)}')
        student, teacher = student.float(), teacher.float()
        if self.normalize:
            student, teacher = (F.layer_norm(tokens, tokens.shape[-1:]) for tokens in (student, teacher))
        sizes = list(groups.values()) if groups is not None and self.by_group else [student.shape[1]]
        if sum(sizes) != student.shape[1]:
            raise ValueError(f'stage {stage}: token groups {groups} do not add up to {student.shape[1]} tokens')
        masks = [None] * len(sizes) if kept is None else kept.split(sizes, dim=1)  # (B, Tg) each
        split = zip(student.split(sizes, dim=1), teacher.split(sizes, dim=1), masks)  # (B, Tg, C) each
        return torch.stack([_mean_square(s, t, mask) for s, t, mask in split]).mean()


def _mean_square(student: Tensor, teacher: Tensor, kept: Tensor | None) -> Tensor:
    if kept is None:
        return F.mse_loss(student, teacher)
    return F.mse_loss(student[kept], teacher[kept]) if kept.any() else student.sum() * 0
