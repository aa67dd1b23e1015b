"""Prediction guidance for any model: its raw outputs against the teacher's.

References:
    Distilling the Knowledge in a Neural Network, arXiv 1503.02531 (the temperature and its square).
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ct_mm.registry import MODELS

#: The losses by name.
OUTPUT_LOSSES = ('kl', 'l1', 'mse')


@MODELS.register_module()
class OutputGuidanceLoss(nn.Module):
    """Sum of KL, L1 or MSE losses between outputs, tensor by tensor, each a mean over its elements.

    KL is between the softmaxes of logits: ``T^2 KL(softmax(teacher / T) || softmax(student / T))``, summed over the
    classes and averaged over everything else.

    Args:
        loss: ``kl``, ``l1`` or ``mse`` for all tensors of the output; or a dict, one for each entry that is to be
            compared (``dict(logits='kl', boxes='l1')``); or a list for the elements of a tuple, ``None`` for those to
            be left out.
        temperature: T of the KL loss.
        dim: Dimension of the classes in logits: -1, or 1 for maps (B, classes, H, W).
        loss_weight: Factor on the sum.

    Raises:
        ValueError: If a loss is unknown.
    """

    def __init__(self, loss: str | Mapping[str, str] | Sequence[str | None], temperature: float = 1.0, dim: int = -1,
                 loss_weight: float = 1.0) -> None:
        super().__init__()
        names = [loss] if isinstance(loss, str) else [*(loss.values() if isinstance(loss, Mapping) else loss)]
        wrong = [name for name in names if name is not None and name not in OUTPUT_LOSSES]
        if wrong or not any(names):
            raise ValueError(f'guidance.loss={loss!r}: choose from {", ".join(OUTPUT_LOSSES)}, one for all outputs, or '
                             f'a dict or list with one for each')
        if temperature <= 0:
            raise ValueError(f'guidance.temperature={temperature} must be above 0')
        self.loss, self.temperature, self.dim, self.loss_weight = loss, temperature, dim, loss_weight

    @property
    def compared(self) -> list[str]:
        """What is compared, and by which loss, for the log."""
        if isinstance(self.loss, str):
            return [self.loss]
        named = self.loss.items() if isinstance(self.loss, Mapping) else enumerate(self.loss)
        return [f'{name} by {loss}' for name, loss in named if loss is not None]

    def forward(self, student: Any, teacher: Any) -> dict[str, Tensor]:
        """Compares in float32, whatever the precision of the model.

        Args:
            student: A tensor, or a dict, tuple or list of tensors, along the step's path.
            teacher: The same of the teacher, without gradient.

        Returns:
            ``loss_guidance``, the weighted sum, and each part detached as ``guidance_NAME`` for the log.

        Raises:
            ValueError: If an output is missing or the shapes differ.
        """
        pairs = list(self._pairs(student, teacher))
        parts = {f'guidance_{name}': self._part(name, loss, s, t) for name, loss, s, t in pairs}
        return dict({name: part.detach() for name, part in parts.items()},
                    loss_guidance=self.loss_weight * sum(parts.values()))

    def _pairs(self, student: Any, teacher: Any) -> list[tuple[str, str, Any, Any]]:
        if isinstance(self.loss, str):
            pairs = [(path, s, t) for (path, s), (_, t) in zip(_tensors(student), _tensors(teacher))]
            if not pairs or len(_tensors(student)) != len(_tensors(teacher)):
                raise ValueError(f'guidance.loss={self.loss!r}: the predictions hold {len(_tensors(student))} tensors '
                                 f'of the student and {len(_tensors(teacher))} of the teacher')
            return [(f'{self.loss}_{path}'.rstrip('_'), self.loss, s, t) for path, s, t in pairs]
        named = self.loss.items() if isinstance(self.loss, Mapping) else enumerate(self.loss)
        try:
            return [(str(name), loss, student[name], teacher[name]) for name, loss in named if loss is not None]
        except (KeyError, IndexError, TypeError) as error:
            raise ValueError(f'guidance.loss={self.loss!r} does not fit the predictions, which are '
                             f'{_describe(student)}') from error

    def _part(self, name: str, loss: str, student: Any, teacher: Any) -> Tensor:
        if not isinstance(student, Tensor) or not isinstance(teacher, Tensor) or student.shape != teacher.shape:
            raise ValueError(f'guidance.loss={self.loss!r}: {name} is {_describe(student)} of the student and '
                             f'{_describe(teacher)} of the teacher; only tensors of one shape can be compared')
        student, teacher = student.float(), teacher.float()
        if loss == 'l1':
            return F.l1_loss(student, teacher)
        if loss == 'mse':
            return F.mse_loss(student, teacher)
        student, teacher = (F.log_softmax(logits / self.temperature, dim=self.dim) for logits in (student, teacher))
        return self.temperature**2 * F.kl_div(student, teacher, reduction='none', log_target=True).sum(self.dim).mean()


def _tensors(output: Any, path: str = '') -> list[tuple[str, Tensor]]:
    """The tensors in a structure, in order, with their places such as ``0_boxes``."""
    if isinstance(output, Tensor):
        return [(path, output)]
    named = output.items() if isinstance(output, Mapping) else enumerate(output) \
        if isinstance(output, (tuple, list)) else ()
    return [found for name, value in named for found in _tensors(value, f'{path}_{name}'.lstrip('_'))]


def _describe(value: Any) -> str:
    if isinstance(value, Tensor):
        return str(tuple(value.shape))
    if isinstance(value, Mapping):
        return f'a dict of {", ".join(map(str, value))}'
    return f'a {type(value).__name__}' + (f' of {len(value)}' if isinstance(value, (tuple, list)) else '')
