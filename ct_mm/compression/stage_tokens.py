"""Reads the tokens at the ends of stages."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from .tap import first_tensor


def stage_tokens(owners: Sequence[nn.Module], outputs: Sequence[Any]) -> tuple[list[Tensor], list[Tensor | None]]:
    """Finds the tokens in what the last block of each stage returned.

    A backbone whose blocks drop tokens has a method ``stage_tokens(output)`` that puts them back into their places:
    it returns tokens (B, T, C) in the order of the grid and which of them are there, (B, T) bool, or ``None``. For
    every other it is the output, or the first tensor of a tuple.

    Args:
        owners: For each stage the backbone.
        outputs: For each stage the output of its last block.

    Returns:
        For each stage the tokens, and which of them were kept or ``None``.

    Raises:
        TypeError: If there is no tensor in an output.
    """
    read = [
        owner.stage_tokens(output) if callable(getattr(owner, 'stage_tokens', None)) else
        (first_tensor(output, f'stage {i}'), None) for i, (owner, output) in enumerate(zip(owners, outputs))
    ]
    return [tokens for tokens, _ in read], [kept for _, kept in read]


def compare_stages(mimic: nn.Module, owners: Sequence[nn.Module], student: Sequence[Any],
                   teacher: Sequence[Any]) -> Tensor:
    """The mimic loss between what the last blocks of the stages returned.

    Args:
        mimic: The loss.
        owners: For each stage the backbone; its ``token_groups``, if it has any, are weighed alike.
        student: For each stage the output along the path; there may be more behind.
        teacher: For each stage the teacher's.

    Returns:
        The loss. Only tokens that both kept are compared.
    """
    tokens, kept = stage_tokens(owners, student)
    target_tokens, target_kept = stage_tokens(owners, teacher)
    both = [s if t is None else t if s is None else s & t for s, t in zip(kept, target_kept)]
    return mimic(tokens, target_tokens, [getattr(owner, 'token_groups', None) for owner in owners], both)
