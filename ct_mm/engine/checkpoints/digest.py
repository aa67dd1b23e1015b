"""A short name for the content of weights."""
from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor


def digest_of_weights(weights: Mapping[str, Tensor]) -> str:
    """Computes SHA-256 over names, types, shapes and numbers, in the order of the names.

    Examples:
        >>> digest_of_weights(dict(a=torch.ones(2)))[:8] == digest_of_weights(dict(a=torch.zeros(2)))[:8]
        False
    """
    digest = hashlib.sha256()
    for name, value in sorted(weights.items()):
        value = value.detach().cpu().contiguous()
        digest.update(f'{name} {value.dtype} {tuple(value.shape)};'.encode())
        digest.update(value.flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
