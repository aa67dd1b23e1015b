"""Converts the released weights of SUTrack for ``ct_mm.SUTrack``.

References:
    SUTrack, arXiv 2412.19138. Names of weights: the authors' code.
"""
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ct_mm.tracking.models.released_weights import list_some

from .clip_text import text_weights, zero_text_vector

CLIP = 'text_encoder.clip.'
_BODY = 'encoder.body.'
_BLOCK = re.compile(r'encoder\.body\.blocks\.(\d+)\.(.+)')
_TOKENS = {'cls_token': 'cls_token', 'search_token': 'search_type', 'template_foreground_token': 'foreground_type',
           'template_background_token': 'background_type', 'fc_norm.weight': 'norm.weight',
           'fc_norm.bias': 'norm.bias', 'patch_embed.proj.weight': 'stem.patch_embed.weight',
           'patch_embed.proj.bias': 'stem.patch_embed.bias'}
#: Names inside the blocks that differ from ours; the others must be in ``_KEPT``.
_STEM = {'norm2': 'norm', 'mlp.fc1': 'fc1', 'mlp.ffn_ln': 'hidden_norm', 'mlp.fc2': 'fc2'}
_MERGE = {'norm': 'norm', 'reduction': 'reduction'}
_MAIN = {'attn.q_bias': 'attn.q_proj.bias', 'attn.v_bias': 'attn.v_proj.bias', 'gamma_1': 'gamma_1',
         'gamma_2': 'gamma_2', 'norm1': 'norm1', 'norm2': 'norm2', 'mlp.ffn_ln': 'mlp.norm',
         **{name: name for name in ('attn.q_proj', 'attn.k_proj', 'attn.v_proj', 'attn.proj', 'mlp.w1', 'mlp.w2',
                                    'mlp.w3')}}
_BRANCHES = {'ctr': 'score', 'offset': 'offset', 'size': 'size'}
_HEAD = re.compile(r'decoder\.conv([1-4])_(ctr|offset|size)\.([01])\.(\w+)')
_LAST_HEAD = re.compile(r'decoder\.conv5_(ctr|offset|size)\.(\w+)')
_TASK = re.compile(r'task_decoder\.layers\.([012])\.(weight|bias)')
_UNUSED = re.compile(r'text_encoder\.(norm[12]\.(weight|bias)|clip\.(visual\..+|logit_scale))')


@dataclass(frozen=True)
class SUTrackWeights:
    """Weights of a released file.

    Args:
        state: Weights under the names of ``ct_mm.SUTrack``.
        folded: Official names of the weights that were combined: the two halves of the stem, and the text side of CLIP
            with its projection, which become the constant text token.
        left_out: Official names of the weights that RGB tracking does not use.
        stem_depths: Number of blocks on the two grids of the stem.
        depth: Number of main blocks.
    """

    state: dict[str, Tensor]
    folded: tuple[str, ...]
    left_out: tuple[str, ...]
    stem_depths: tuple[int, int]
    depth: int


def convert_sutrack_keys(state: Mapping[str, Tensor], template_size: int, search_size: int,
                         clip: Mapping[str, Tensor] | None = None, fold: bool = True) -> SUTrackWeights:
    """Renames weights, folds the stem's two halves and computes the constant text token.

    Args:
        state: Weights by official name; a leading ``module.`` is ignored.
        template_size: Side of a template in pixels.
        search_size: Side of the search region in pixels.
        clip: Weights of CLIP ViT-L/14 under its own names, for a file without them.
        fold: Whether to fold the stem's six input channels to three.

    Returns:
        The converted weights.

    Raises:
        ValueError: If the names are not those of SUTrack, a name is unknown, CLIP is missing, or ``pos_embed`` does not
            have as many rows as both images have tokens.
    """
    state = {key.removeprefix('module.'): value for key, value in state.items()}
    _refuse_other_models(state)
    stem_depths, depth, places = _block_places(state)
    converted, folded, left_out, unknown = {}, [], [], []
    for key, value in state.items():
        name = _rename(key, places)
        if name is not None:
            converted[name] = value
        elif _UNUSED.fullmatch(key):
            left_out.append(key)
        elif key in (f'{_BODY}pos_embed', 'text_encoder.text_proj.weight', 'text_encoder.text_proj.bias'):
            pass
        elif key.startswith(CLIP):
            folded.append(key)
        else:
            unknown.append(key)
    own = {key.removeprefix(CLIP): state[key] for key in folded}
    unknown += [CLIP + key for key in own if key not in text_weights(own)]
    if unknown:
        raise ValueError(f'{len(unknown)} of {len(state)} weights are unknown, so the converted model would differ '
                         f'from the trained one: {list_some(unknown)}')
    converted.update(_positions(state, template_size, search_size))
    converted['backbone.text_token'] = _text_token(state, own, clip)
    folded += [f'text_encoder.text_proj.{name}' for name in ('weight', 'bias')]
    stem = 'backbone.stem.patch_embed.weight'
    if fold and stem in converted and converted[stem].shape[1:2] == (6, ):
        converted[stem] = converted[stem][:, :3] + converted[stem][:, 3:]
        folded.append(f'{_BODY}patch_embed.proj.weight')
    return SUTrackWeights(converted, tuple(folded), tuple(left_out), stem_depths, depth)


def rename_sutrack_key(key: str, state: Mapping[str, Tensor]) -> str | None:
    """Returns our name of one weight of a whole file, or None if it has no name of its own."""
    return _rename(key, _block_places(state)[2])


def _rename(key: str, places: Mapping[int, tuple[str, dict[str, str]]]) -> str | None:
    if key.startswith(_BODY) and key.removeprefix(_BODY) in _TOKENS:
        return f'backbone.{_TOKENS[key.removeprefix(_BODY)]}'
    if match := _BLOCK.fullmatch(key):
        place, names = places[int(match[1])]
        module, _, last = match[2].rpartition('.')
        if match[2] in names:
            return f'backbone.{place}.{names[match[2]]}'
        return f'backbone.{place}.{names[module]}.{last}' if module in names and last in ('weight', 'bias') else None
    if match := _HEAD.fullmatch(key):
        return f'head.{_BRANCHES[match[2]]}.{int(match[1]) - 1}.{("conv", "bn")[int(match[3])]}.{match[4]}'
    if match := _LAST_HEAD.fullmatch(key):
        return f'head.{_BRANCHES[match[1]]}.4.{match[2]}'
    if match := _TASK.fullmatch(key):
        return f'task_head.layers.{2 * int(match[1])}.{match[2]}'
    return None


def _block_places(state: Mapping[str, Tensor]) -> tuple[tuple[int, int], int, dict[int, tuple[str, dict[str, str]]]]:
    """Tells stem blocks, merges and main blocks apart, which the released code keeps in one list."""
    parts: dict[int, set[str]] = {}
    for key in state:
        if match := _BLOCK.fullmatch(key):
            parts.setdefault(int(match[1]), set()).add(match[2].rpartition('.')[0] or match[2])
    kinds = ''.join('m' if 'reduction' in parts[i] else 'b' if {'attn.proj', 'gamma_1'} & parts[i] else 's'
                    for i in sorted(parts))
    layout = re.fullmatch(r'(s+)m(s+)m(b+)', kinds)
    if layout is None or sorted(parts) != list(range(len(parts))):
        raise ValueError(f'the blocks of the encoder are {sorted(parts)}, in order {kinds!r}; SUTrack has stem blocks '
                         '(s), a merge (m), stem blocks, a merge and main blocks (b), numbered from 0 without gaps')
    first, second, depth = map(len, layout.groups())
    names = [*((f'stem.blocks1.{i}', _STEM) for i in range(first)), ('stem.merge1', _MERGE),
             *((f'stem.blocks2.{i}', _STEM) for i in range(second)), ('stem.merge2', _MERGE),
             *((f'blocks.{i}', _MAIN) for i in range(depth))]
    return (first, second), depth, dict(enumerate(names))


def _positions(state: Mapping[str, Tensor], template_size: int, search_size: int) -> dict[str, Tensor]:
    table = state.get(f'{_BODY}pos_embed')
    if table is None or table.dim() != 3:
        raise ValueError(f'{_BODY}pos_embed (1, tokens, width) is missing')
    search, template = (search_size // 16)**2, (template_size // 16)**2
    if template_size % 16 or search_size % 16 or table.shape[1] != search + template:
        raise ValueError(f'{_BODY}pos_embed has {table.shape[1]} rows, but images of {template_size} and {search_size} '
                         f'pixels have {template} + {search} tokens of 16 pixels; give the sizes that the model was '
                         'trained with')
    return {'backbone.pos_embed_search': table[:, :search], 'backbone.pos_embed_template': table[:, search:]}


def _text_token(state: Mapping[str, Tensor], own: Mapping[str, Tensor], clip: Mapping[str, Tensor] | None) -> Tensor:
    weights = own if own or clip is None else clip
    if not weights:
        raise ValueError(f'the file lacks the text side of CLIP ViT-L/14 ({CLIP}token_embedding.weight and others), of '
                         'which the constant text token is made: give it the weights of CLIP (--clip ViT-L-14.pth)')
    missing = [key for key in ('text_encoder.text_proj.weight', 'text_encoder.text_proj.bias') if key not in state]
    if missing:
        raise ValueError(f'{" and ".join(missing)} is missing, which maps the text vector to a token')
    weight, bias = (state[f'text_encoder.text_proj.{name}'].double() for name in ('weight', 'bias'))
    vector = zero_text_vector(weights)  # (1, D)
    if vector.shape[1] != weight.shape[1]:
        raise ValueError(f'the text vector of CLIP has {vector.shape[1]} values, but text_encoder.text_proj takes '
                         f'{weight.shape[1]}: SUTrack needs CLIP ViT-L/14')
    return F.linear(vector, weight, bias).to(torch.float32)[None]  # (1, 1, C)


def _refuse_other_models(state: Mapping[str, Tensor]) -> None:
    """Raises an error with an explanation for files of other models."""
    found = f'found {list_some(list(state))}'
    if any(key.startswith(('backbone.stem.', 'student.backbone.stem.')) for key in state):
        raise ValueError('this is already a ct_mm checkpoint, which needs no conversion')
    if not any(key.startswith(f'{_BODY}blocks.') for key in state):
        raise ValueError(f'these are not the weights of a SUTrack ({_BODY}*, decoder.*, task_decoder.*, '
                         f'text_encoder.*); {found}')
    if not any(key.startswith('decoder.conv1_ctr.') for key in state):
        heads = [key for key in state if 'decoder' in key or 'head' in key]
        raise ValueError(f'this file has no centre head (decoder.conv1_ctr.*); {list_some(heads) if heads else found}')
