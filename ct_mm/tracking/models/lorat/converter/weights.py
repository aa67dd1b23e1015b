"""Converts the released weights of LoRAT for ``ct_mm.LoRAT``.

References:
    LoRAT, arXiv 2403.05231. Names of weights: the authors' code.
"""
from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ct_mm.tracking.models.released_weights import list_some

from ..lora import merge_lora
from .dinov2 import convert_dinov2_keys

#: How the factors are scaled, in files that say so.
SCALARS = ('lora_alpha', 'use_rslora')

_FACTOR = re.compile(r'(blocks\.\d+\.)(attn\.qkv\.[qkv]|attn\.proj|mlp\.(?:fc[12]|w12|w3))\.lora\.([AB])')
_TRAINED = re.compile(r'token_type_embed|head\.(cls|reg)_mlp\.layers\.[012]\.(weight|bias)')
_FROZEN = re.compile(r'pos_embed|patch_embed\.proj\.(weight|bias)|norm\.(weight|bias)|blocks\.\d+\.(ls[12]\.gamma|'
                     r'(norm[12]|attn\.(qkv|qkv\.[qkv]|proj)|mlp\.(fc[12]|w12|w3))\.(weight|bias))')


@dataclass(frozen=True)
class LoRATWeights:
    """Weights of a tracker.

    Args:
        kind: Description of the file.
        state: Weights under the names of ``ct_mm.LoRAT``, without any LoRA.
        folded: Official names of the factors, and of their scale, that were folded into the weights.
        left_out: Names of the weights that were intentionally left out.
        factor: ``alpha / r``, or ``None`` if there was nothing to fold.
    """

    kind: str
    state: dict[str, Tensor]
    folded: tuple[str, ...]
    left_out: tuple[str, ...]
    factor: float | None


def convert_lorat_keys(state: Mapping[str, Tensor], search_size: int,
                       dinov2: Mapping[str, Tensor] | None = None) -> LoRATWeights:
    """Folds LoRA into the frozen weights and renames everything.

    Args:
        state: Weights by official name: a released file, which holds only what was trained; a file that also holds the
            frozen weights, with LoRA or after merging; or a checkpoint of ``ct_mm.LoRAT`` trained with LoRA.
        search_size: Side of the search region in pixels.
        dinov2: Weights of the DINOv2 model beside which it was trained, for a file without them.

    Returns:
        The weights of a plain model.

    Raises:
        ValueError: If the file is another model, has unknown weights, has no frozen weights and ``dinov2`` is not
            given, does not fit ``dinov2``, or says another size of the search region.
    """
    state = _official_names(state)
    _refuse_other_models(state)
    factors = {key for key in state if _FACTOR.fullmatch(key)}
    frozen = {key.replace('.linear.', '.'): value for key, value in state.items()
              if _FROZEN.fullmatch(key.replace('.linear.', '.'))}
    unknown = [key for key in state if key not in factors and key not in SCALARS and not _TRAINED.fullmatch(key)
               and key.replace('.linear.', '.') not in frozen]
    if unknown:
        raise ValueError(f'{len(unknown)} of {len(state)} weights are unknown, so the converted model would differ '
                         f'from the trained one: {list_some(unknown)}')
    kind, left_out = ('with its frozen weights' if factors else 'merged'), []
    if not any(key.startswith('blocks.') for key in frozen):
        kind = 'as released, with the weights of DINOv2'
        if dinov2 is None:
            raise ValueError('this file holds only what was trained (LoRA, types and head), not the DINOv2 weights '
                             f'beside it: give {_matching_dinov2(state)} (--dinov2)')
        frozen, left_out = convert_dinov2_keys(dinov2, search_size)
        _check_partner(state, frozen)
    elif dinov2 is not None:
        raise ValueError('this file holds its frozen weights: omit the file of DINOv2 (--dinov2)')
    frozen = _stack_qkv(frozen)
    factor = _fold(frozen, state, factors) if factors else None
    trained = {key: value.float() for key, value in state.items() if _TRAINED.fullmatch(key)}
    converted = {key if key.startswith('head.') else f'backbone.{key}': value.float()
                 for key, value in {**frozen, **trained}.items()}
    folded = sorted(factors) + [key for key in SCALARS if key in state]
    return LoRATWeights(kind, converted, tuple(folded), tuple(left_out), factor)


def _official_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Renames the weights of a ``ct_mm.LoRAT`` that was trained with LoRA; other names stay."""
    named = {key.removeprefix('module.'): value for key, value in state.items()}
    if not any(key.startswith('backbone.') and key.endswith('.lora_A') for key in named):
        return named
    official = {}
    for key, value in named.items():
        key = key.removeprefix('backbone.')
        path, _, name = key.rpartition('.lora_')
        if name not in ('A', 'B'):
            official[key] = value
            continue
        parts = 'qkv' if path.endswith('.qkv') else ''
        if len(value) != max(len(parts), 1):
            raise ValueError(f'{key} has shape {tuple(value.shape)}, but must have {max(len(parts), 1)} parts')
        official.update({f'{path}.{part}.lora.{name}' if part else f'{path}.lora.{name}': value[i]
                         for i, part in enumerate(parts or [''])})
    return official


def _stack_qkv(frozen: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Stacks the weights of q, k and v, in this order, where a file holds them apart."""
    stacked = {key: value for key, value in frozen.items() if not re.search(r'\.qkv\.[qkv]\.', key)}
    for key in frozen:
        if '.qkv.q.' in key:
            parts = [key.replace('.qkv.q.', f'.qkv.{part}.') for part in 'qkv']
            missing = [part for part in parts if part not in frozen]
            if missing:
                raise ValueError(f'{", ".join(missing)} is missing')
            stacked[key.replace('.qkv.q.', '.qkv.')] = torch.cat([frozen[part] for part in parts])
    return stacked


def _fold(frozen: dict[str, Tensor], state: Mapping[str, Tensor], factors: set[str]) -> float:
    """Adds the product of each pair of factors to its weight, in place, and returns alpha / r."""
    wanted = {f'{path}.lora.{letter}' for name in frozen for path in _adapted(name) for letter in 'AB'}
    if wanted != factors:
        faults = [f'{key} is missing' for key in sorted(wanted - factors)]
        faults += [f'{key} has no weight to be folded into' for key in sorted(factors - wanted)]
        raise ValueError(f'LoRA does not fit the frozen weights, {len(faults)} faults: {"; ".join(faults[:4])}')
    for down in sorted(key for key in factors if key.endswith('.A')):
        up = f'{down[:-1]}B'
        block, path, _ = _FACTOR.fullmatch(down).groups()
        part = 'qkv'.index(path[-1]) if path.startswith('attn.qkv.') else None
        name = f'{block}{"attn.qkv" if part is not None else path}.weight'
        weight, a, b = frozen[name].float(), state[down], state[up]
        rows = slice(None) if part is None else slice(part * len(weight) // 3, (part + 1) * len(weight) // 3)
        piece = weight[rows]
        if a.dim() != 2 or b.dim() != 2 or (len(b), a.shape[1], b.shape[1]) != (*piece.shape, len(a)):
            raise ValueError(f'{down} {tuple(a.shape)} and {up} {tuple(b.shape)} do not fit {name}, whose part is '
                             f'{tuple(piece.shape)}')
        factor = lora_factor(state, len(a))
        weight = weight.clone()
        weight[rows] = merge_lora(piece, a, b, factor)
        frozen[name] = weight
    return factor


def _adapted(name: str) -> list[str]:
    """Returns the official paths of the LoRAs of a weight: three for a fused qkv, none for other than linear layers."""
    path = name.removesuffix('.weight')
    if path == name or not re.search(r'\.(qkv|proj|fc[12]|w12|w3)$', path) or not path.startswith('blocks.'):
        return []
    return [f'{path}.{part}' for part in 'qkv'] if path.endswith('.qkv') else [path]


def lora_factor(state: Mapping[str, Tensor], rank: int) -> float:
    """Returns what the product of two factors is multiplied by: 1 if the file does not say alpha."""
    if 'lora_alpha' not in state:
        return 1.0
    alpha = float(state['lora_alpha'])
    return alpha / (math.sqrt(rank) if bool(state.get('use_rslora', False)) else rank)


def _check_partner(state: Mapping[str, Tensor], frozen: Mapping[str, Tensor]) -> None:
    """Raises a ValueError if DINOv2 has another width, depth or kind of MLP than the released weights."""
    found, wanted = ((_width(weights), _depth(weights), any('.mlp.w12.' in key for key in weights))
                     for weights in (frozen, state))
    if found != wanted:
        show = ['{} layers of width {}{}'.format(depth, width, ', gated MLPs' if gated else '')
                for width, depth, gated in (wanted, found)]
        raise ValueError(f'the released weights are of {show[0]}, but the file of DINOv2 has {show[1]}: give '
                         f'{_matching_dinov2(state)} (--dinov2)')


def _width(state: Mapping[str, Tensor]) -> int:
    value = state['token_type_embed'] if 'token_type_embed' in state else state['norm.weight']
    return value.shape[-1]


def _depth(state: Mapping[str, Tensor]) -> int:
    return len({key.split('.')[1] for key in state if key.startswith('blocks.')})


def _matching_dinov2(state: Mapping[str, Tensor]) -> str:
    name = {384: 'vits14', 768: 'vitb14', 1024: 'vitl14', 1536: 'vitg14'}.get(_width(state))
    return f'dinov2_{name}_pretrain.pth' if name else f'the pretrained DINOv2 of width {_width(state)}'


def _refuse_other_models(state: Mapping[str, Tensor]) -> None:
    """Raises an error with an explanation for files that are easily confused with LoRAT's."""
    found = f'found {list_some(list(state))}'
    if any(key.startswith(('backbone.', 'student.')) for key in state):
        raise ValueError('this is already a ct_mm checkpoint, which needs no conversion')
    if any(key.startswith(('template_token_type_embed', 'search_region_token_type_embed')) for key in state):
        raise ValueError('these are the weights of LoRATv2, another model, which ct_mm does not have')
    if 'cls_token' in state and not any(key.startswith('head.') for key in state):
        raise ValueError('this looks like DINOv2 itself: give the released LoRAT as the file to convert, and this one '
                         'as --dinov2; --backbone-only makes starting weights of a training from it')
    missing = [key for key in ('token_type_embed', 'head.cls_mlp.layers.0.weight', 'head.reg_mlp.layers.0.weight')
               if key not in state]
    if missing:
        raise ValueError(f'these are not the weights of a LoRAT: {", ".join(missing)} missing; {found}')
