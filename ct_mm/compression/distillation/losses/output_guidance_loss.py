"""Prediction guidance for any model: compares its raw outputs with the teacher's.

References:
    Distilling the Knowledge in a Neural Network, arXiv 1503.02531 (the temperature and its square).
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ct_mm.registry import MODELS

from ...batch import describe

#: The losses by name.
OUTPUT_LOSSES = ('kl', 'l1', 'mse')


@MODELS.register_module()
class OutputGuidanceLoss(nn.Module):
    """Sum of KL, L1 or MSE losses between outputs, tensor by tensor, each a mean over its elements.

    KL compares the softmaxes of logits: ``T^2 KL(softmax(teacher / T) || softmax(student / T))``, summed over the
    classes and averaged over all other dimensions.

    Args:
        loss: ``kl``, ``l1`` or ``mse`` for all tensors of the output; or a dict with one for each entry to compare
            (``dict(logits='kl', boxes='l1')``); or a list with one for each element of a tuple, ``None`` to skip it.
        temperature: T of the KL loss.
        dim: Dimension of the classes in logits: -1, or 1 for maps (B, classes, H, W).
        loss_weight: Factor on the sum.

    Raises:
        ValueError: If a loss is unknown.

    Examples:
        >>> import torch
        >>> loss = OutputGuidanceLoss(dict(boxes='l1'))
        >>> loss(dict(boxes=torch.zeros(2, 4)), dict(boxes=torch.ones(2, 4)))['loss_guidance']
        tensor(1.)
    """

    def __init__(self, loss: str | Mapping[str, str] | Sequence[str | None], temperature: float = 1.0, dim: int = -1,
                 loss_weight: float = 1.0) -> None:
        super().__init__()
        named = _entries([loss] if isinstance(loss, str) else loss)
        self._named = {name: each for name, each in named.items() if each is not None}
        if not self._named or not set(self._named.values()) <= set(OUTPUT_LOSSES):
            raise ValueError(f'guidance.loss={loss!r}: choose from {", ".join(OUTPUT_LOSSES)}, one for all outputs, or '
                             f'a dict or list with one for each')
        if temperature <= 0:
            raise ValueError(f'guidance.temperature={temperature} must be above 0')
        self.loss, self.temperature, self.dim, self.loss_weight = loss, temperature, dim, loss_weight

    @property
    def compared(self) -> list[str]:
        """What is compared, and by which loss, for the log."""
        each = [f'{name} by {loss}' for name, loss in self._named.items()]
        return [self.loss] if isinstance(self.loss, str) else each

    def forward(self, student: Any, teacher: Any) -> dict[str, Tensor]:
        """Compares in float32, whatever the precision of the model.

        Args:
            student: A tensor, or a dict, tuple or list of tensors, along the step's path.
            teacher: The same structure from the teacher, without gradient.

        Returns:
            ``loss_guidance``, the weighted sum, and each part detached as ``guidance_NAME`` for the log.

        Raises:
            ValueError: If an output is missing or the shapes differ.
        """
        named = self._named
        if isinstance(self.loss, str):
            student, teacher = (_tensors(self.loss, output) for output in (student, teacher))
            if not student or len(student) != len(teacher):
                raise ValueError(f'guidance.loss={self.loss!r}: the predictions hold {len(student)} tensors of the '
                                 f'student and {len(teacher)} of the teacher')
            named = dict.fromkeys(student, self.loss)
        try:
            parts = {name: self._part(name, loss, student[name], teacher[name]) for name, loss in named.items()}
        except (KeyError, IndexError, TypeError) as error:
            raise ValueError(f'guidance.loss={self.loss!r} does not fit the predictions, which are '
                             f'{describe(student)}') from error
        return dict({f'guidance_{name}': part.detach() for name, part in parts.items()},
                    loss_guidance=self.loss_weight * sum(parts.values()))

    def _part(self, name: str, loss: str, student: Any, teacher: Any) -> Tensor:
        if not isinstance(student, Tensor) or not isinstance(teacher, Tensor) or student.shape != teacher.shape:
            raise ValueError(f'guidance.loss={self.loss!r}: {name} is {describe(student)} of the student and '
                             f'{describe(teacher)} of the teacher; only tensors of one shape can be compared')
        student, teacher = student.float(), teacher.float()
        if loss != 'kl':
            return F.l1_loss(student, teacher) if loss == 'l1' else F.mse_loss(student, teacher)
        student, teacher = (F.log_softmax(logits / self.temperature, dim=self.dim) for logits in (student, teacher))
        return self.temperature**2 * F.kl_div(student, teacher, reduction='none', log_target=True).sum(self.dim).mean()


def _tensors(name: str, output: Any) -> dict[str, Tensor]:
    """Returns the tensors in a structure, in order, by names such as ``kl_0_boxes``."""
    if isinstance(output, Tensor):
        return {name: output}
    inner = (_tensors(f'{name}_{key}', value) for key, value in _entries(output).items())
    return {path: tensor for tensors in inner for path, tensor in tensors.items()}


def _entries(value: Any) -> Mapping:
    """Returns the entries of a dict, tuple or list by name or index; any other value has none."""
    return value if isinstance(value, Mapping) else dict(enumerate(value if isinstance(value, (tuple, list)) else ()))
