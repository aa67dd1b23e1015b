"""Prediction guidance: compares the student's predictions with the teacher's.

References:
    CompressTracker, arXiv 2409.17564, section 3.5. The released code compares boxes; the paper says "the same loss as
    L_track", which adds the score map.
"""
from __future__ import annotations

from typing import Mapping, Sequence

from torch import Tensor, nn

from ct_mm.registry import MODELS


@MODELS.register_module()
class PredictionGuidanceLoss(nn.Module):
    """Sum of losses between predictions of the same name.

    Args:
        terms: Names of the predictions to compare: ``('boxes', )`` as in the released code, or ``('boxes',
            'score_map')`` as in the paper. Default: ``('boxes', )``, or, for a model without one box for each sample,
            all that ``losses`` has.
        losses: For each prediction its losses by name, modules or configs, called as ``loss(student, teacher)``. The
            distiller replaces ``None`` by the losses with which the tracker trains.
        loss_weight: Factor on the sum.

    Raises:
        ValueError: If a term has no loss.

    Examples:
        >>> import torch
        >>> loss = PredictionGuidanceLoss(losses=dict(boxes=dict(l1=nn.L1Loss())))
        >>> loss(dict(boxes=torch.zeros(2, 4)), dict(boxes=torch.ones(2, 4)))
        {'guidance_l1': tensor(1.), 'loss_guidance': tensor(1.)}
    """

    def __init__(self, terms: Sequence[str] | None = None,
                 losses: Mapping[str, Mapping[str, dict | nn.Module]] | None = None, loss_weight: float = 1.0) -> None:
        super().__init__()
        losses = losses or {}
        if terms is None:
            terms = tuple(losses) if losses and 'boxes' not in losses else ('boxes', )
        missing = [term for term in terms if term not in losses]
        if missing:
            raise ValueError(f'guidance.terms={list(terms)}: no loss for {missing}; the model offers '
                             f'{sorted(losses) or "none"}; give guidance.losses, for example '
                             f"dict({missing[0]}=dict(l1=dict(type='ct_mm.BoxL1Loss')))")
        built = {term: {name: loss if isinstance(loss, nn.Module) else MODELS.build(loss)
                        for name, loss in losses[term].items()} for term in terms}
        self.losses = nn.ModuleDict({term: nn.ModuleDict(named) for term, named in built.items()})
        self.loss_weight = loss_weight

    @property
    def compared(self) -> list[str]:
        """Names of the compared predictions, for the log."""
        return list(self.losses)

    def forward(self, student: Mapping[str, Tensor], teacher: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Compares in float32, whatever the precision of the model.

        Args:
            student: Predictions by name, along the step's path.
            teacher: Predictions of the teacher, without gradient.

        Returns:
            ``loss_guidance``, the weighted sum, and each part detached as ``guidance_NAME`` for the log.
        """
        parts = {name: loss(student[term].float(), teacher[term].float())
                 for term, named in self.losses.items() for name, loss in named.items()}
        return dict({f'guidance_{name}': part.detach() for name, part in parts.items()},
                    loss_guidance=self.loss_weight * sum(parts.values()))
