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
    """

    def __init__(self, loss_weight: float = 0.2) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(
        self,
        student: Sequence[Tensor],
        teacher: Sequence[Tensor],
        groups: dict[str, int] | None = None,
    ) -> Tensor:
        """Compares stage by stage, in float32 whatever the precision of the model.

        Args:
            student: For each stage the tokens (B, T, C) at its end, along the step's path.
            teacher: The same of the teacher's own pass, without gradient.
            groups: Number of tokens of each group, in order; ``None`` is one group.

        Returns:
            Weighted loss, a scalar.

        Raises:
            ValueError: If the numbers of stages or the shapes differ, or the groups do not add up.
        """
        if len(student) != len(teacher):
            raise ValueError(f'{len(student)} stages of the student, {len(teacher)} of the teacher')
        per_stage = [self._stage_error(i, s, t, groups) for i, (s, t) in enumerate(zip(student, teacher))]
        return self.loss_weight * torch.stack(per_stage).mean()

    @staticmethod
    def _stage_error(stage: int, student: Tensor, teacher: Tensor, groups: dict[str, int] | None) -> Tensor:
        if student.shape != teacher.shape:
            raise ValueError(f'stage {stage}: student tokens {tuple(student.shape)}, '
                             f'teacher tokens {tuple(teacher.shape)}')
        if groups is None:
            return F.mse_loss(student.float(), teacher.float())
        if sum(groups.values()) != student.shape[1]:
            raise ValueError(f'stage {stage}: token groups {groups} do not add up to {student.shape[1]} tokens')
        sizes = list(groups.values())
        pairs = zip(student.float().split(sizes, dim=1), teacher.float().split(sizes, dim=1))  # (B, Tg, C) each
        return torch.stack([F.mse_loss(s, t) for s, t in pairs]).mean()
