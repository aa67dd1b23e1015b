"""Stage-wise feature mimicking.

References:
    CompressTracker, arXiv 2409.17564, section 3.4; which tokens are weighed how: the released code.
"""
from __future__ import annotations

from typing import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ct_mm.registry import MODELS


@MODELS.register_module()
class FeatureMimicLoss(nn.Module):
    """Mean over stages of the mean squared error of each token group, groups weighed alike.

    For template and search tokens that is ``1/2 (MSE_search + MSE_template)``: the few template tokens
    count as much as the many search tokens.

    Args:
        loss_weight: Factor on the loss (0.2 in the paper).
        normalize: Compare tokens that are brought to mean 0 and variance 1 over their channels first, as the next
            block's norm sees them. Not the paper's. Raw tokens of pretrained ViTs have a few channels of a hundred
            times the usual size, which otherwise rule the error.

    Attributes:
        stage_errors: The error of each stage (K,) at the last call, without gradient and weight; ``None`` before it.
    """

    def __init__(self, loss_weight: float = 0.2, normalize: bool = False) -> None:
        super().__init__()
        self.loss_weight, self.normalize = loss_weight, normalize
        self.stage_errors: Tensor | None = None

    def forward(self, student: Sequence[Tensor], teacher: Sequence[Tensor],
                groups: dict[str, int] | Sequence[dict[str, int] | None] | None = None,
                kept: Sequence[Tensor | None] | None = None) -> Tensor:
        """Compares stage by stage, in float32 whatever the precision of the model.

        Args:
            student: For each stage the tokens (B, T, C) at its end, along the step's path.
            teacher: The same of the teacher's own pass, without gradient.
            groups: Number of tokens of each group, in order, or a list of that with one for each stage; ``None`` is one
                group.
            kept: For each stage which tokens are compared (B, T) bool, where a model drops some; ``None`` is all.

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
        if groups is None:
            return _mean_square(student, teacher, kept)
        if sum(groups.values()) != student.shape[1]:
            raise ValueError(f'stage {stage}: token groups {groups} do not add up to {student.shape[1]} tokens')
        sizes = list(groups.values())
        masks = [None] * len(sizes) if kept is None else kept.split(sizes, dim=1)  # (B, Tg) each
        split = zip(student.split(sizes, dim=1), teacher.split(sizes, dim=1), masks)  # (B, Tg, C) each
        return torch.stack([_mean_square(s, t, mask) for s, t, mask in split]).mean()


def _mean_square(student: Tensor, teacher: Tensor, kept: Tensor | None) -> Tensor:
    if kept is None:
        return F.mse_loss(student, teacher)
    return F.mse_loss(student[kept], teacher[kept]) if kept.any() else student.sum() * 0
