"""Renames the released weights of MixFormerV2 for ``ct_mm.MixFormerV2``.

References:
    MixFormerV2: Efficient Fully Transformer Tracking, arXiv 2305.15896. Names of weights: the authors' code.
"""
from __future__ import annotations

import math
import re
from collections.abc import Mapping

from torch import Tensor

from ct_mm.tracking.models.released_weights import list_some, shape_of

from ..mixformerv2_vit import sine_cosine_positions

#: Fixed tables of positions, which a model computes itself.
POSITIONS = dict(template='backbone.pos_embed_t', search='backbone.pos_embed_s')
_SAME = re.compile(r'backbone\.(reg_tokens|pos_embed_reg|(patch_embed\.proj|'
                   r'blocks\.\d+\.(norm[12]|attn\.(qkv|proj)|mlp\.fc[12]))\.(weight|bias))')
_HEADS = {'box_head.layers.0.0': 'head.box.0', 'box_head.layers.0.1': 'head.box.1', 'box_head.layers.1.0': 'head.box.3',
          'box_head.layers.1.1': 'head.box.4', 'score_head.layers.0.0': 'head.score.0',
          'score_head.layers.1': 'head.score.2'}
#: Largest difference of a table in a file from the fixed one.
_TOLERANCE = 1e-4


def convert_mixformerv2_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Renames the weights of one model and checks its tables of positions; values are not changed.

    Args:
        state: Weights by official name; a leading ``module.`` is ignored.

    Returns:
        The weights under the names of ``ct_mm.MixFormerV2``, without the tables of positions.

    Raises:
        ValueError: If the names are not those of MixFormerV2 (the message says what they are, if possible), a name is
            unknown, or a table holds other positions.
    """
    state = {key.removeprefix('module.'): value for key, value in state.items()}
    _refuse_other_models(state)
    for key in POSITIONS.values():
        grid_side(state, key)
        _check_positions(key, state[key])
    names = {key: rename_mixformerv2_key(key) for key in state if key not in POSITIONS.values()}
    unknown = [key for key, name in names.items() if name is None]
    if unknown:
        raise ValueError(f'{len(unknown)} of {len(state)} weights are unknown, so the converted model would differ '
                         f'from the trained one: {list_some(unknown)}')
    return {name: state[key] for key, name in names.items()}


def rename_mixformerv2_key(key: str) -> str | None:
    """Returns our name of a weight, or None if the name is unknown."""
    module, _, last = key.rpartition('.')
    if _SAME.fullmatch(key):
        return key
    return f'{_HEADS[module]}.{last}' if module in _HEADS and last in ('weight', 'bias') else None


def grid_side(state: Mapping[str, Tensor], key: str) -> int:
    """Returns the side in tokens of the grid of a table of positions; raises a ValueError if it is not square."""
    tokens = shape_of(state, key, 3)[1]
    side = math.isqrt(tokens)
    if side * side != tokens:
        raise ValueError(f'{key} has {tokens} tokens, which do not form a square; ct_mm.MixFormerV2 needs square '
                         f'images')
    return side


def _check_positions(key: str, table: Tensor) -> None:
    width, side = table.shape[2], math.isqrt(table.shape[1])
    error = (table.float() - sine_cosine_positions(side, width)).abs().max() if width % 4 == 0 else math.inf
    if not error <= _TOLERANCE:
        raise ValueError(f'{key} differs by {float(error):.2g} from the fixed sine-cosine table of {side} x {side} '
                         f'tokens and width {width}, which ct_mm.MixFormerV2 computes; the model was trained with '
                         f'others')


def _refuse_other_models(state: Mapping[str, Tensor]) -> None:
    """Raises an error with an explanation for files of other models."""
    found = f'found {list_some(list(state))}'
    if any(re.match(r'student\..*\.layer\.', key) for key in state):
        raise ValueError('this is a training checkpoint of ct_mm.ReplacementDistiller; use the plain student '
                         'student/student.pth in the same work dir, which needs no conversion')
    if any(key.startswith('head.box.') for key in state):
        raise ValueError('this is already a ct_mm checkpoint, which needs no conversion')
    if any(key.startswith('box_head.conv1_tl.') for key in state):
        raise ValueError('this is a MixViT with a corner head (box_head.conv1_tl.*), the dense teacher of the first '
                         'distillation stage, not a MixFormerV2')
    if 'backbone.reg_tokens' not in state:
        heads = sorted({'.'.join(key.split('.')[:2]) for key in state if 'head' in key or 'decoder' in key})
        raise ValueError(f'these are not the weights of a MixFormerV2: there are no regression tokens '
                         f'(backbone.reg_tokens); {"its heads are " + list_some(heads) if heads else found}')
    if not any(key.startswith('box_head.layers.') for key in state):
        raise ValueError(f'this file has no distribution head (box_head.layers.*); {found}')
