"""Converts the released weights of OSTrack and CompressTracker for ``ct_mm.OSTrack``.

References:
    OSTrack, arXiv 2203.11991; CompressTracker, arXiv 2409.17564. Names of weights: the authors' code.
"""
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from ct_mm.tracking.models.released_weights import list_some

#: Models in a CompressTracker training checkpoint.
WEIGHTS = ('student', 'teacher')
#: Unused weights in every file, left over from the pretrained ViT.
UNUSED = ('backbone.cls_token', 'backbone.pos_embed')

_TEACHER = ('ori_backbone.', 'ori_box_head.')
_FROZEN = 'backbone.blocks.'
_STUDENT = 'backbone.distill_blocks.'
_BRANCHES = {'ctr': 'score', 'offset': 'offset', 'size': 'size'}
_HEAD_KEY = re.compile(r'box_head\.conv([1-4])_(ctr|offset|size)\.([01])\.(\w+)')
_LAST_HEAD_KEY = re.compile(r'box_head\.conv5_(ctr|offset|size)\.(\w+)')
_BACKBONE_KEY = re.compile(r'backbone\.(patch_embed\.proj|norm|'
                           r'blocks\.\d+\.(norm[12]|attn\.(qkv|proj)|mlp\.fc[12]))\.(weight|bias)')
_POSITIONS = {'backbone.pos_embed_z': 'backbone.pos_embed_template',
              'backbone.pos_embed_x': 'backbone.pos_embed_search'}


@dataclass(frozen=True)
class OSTrackWeights:
    """Weights of one model in a released file.

    Args:
        kind: Description of the file.
        state: Weights of the selected model under the names of ``ct_mm.OSTrack``.
        dropped: Official names of the weights that were intentionally dropped.
    """

    kind: str
    state: dict[str, Tensor]
    dropped: tuple[str, ...]


def convert_ostrack_keys(state: Mapping[str, Tensor], weights: str = 'student') -> OSTrackWeights:
    """Selects the weights of one model and renames them; values are not changed.

    Args:
        state: Weights by official name; a leading ``module.`` is ignored.
        weights: ``student`` or ``teacher``, to select from a CompressTracker training checkpoint. Other files hold only
            one model, which counts as the student.

    Returns:
        The selected weights.

    Raises:
        ValueError: If the names are not those of OSTrack (the message says what they are, if possible), a name is
            unknown, or the selected model is missing.
    """
    if weights not in WEIGHTS:
        raise ValueError(f'weights must be one of {", ".join(WEIGHTS)}, not {weights!r}')
    state = {key.removeprefix('module.'): value for key, value in state.items()}
    _refuse_other_models(state)
    kind, chosen, dropped = _choose(state, weights)
    renamed = {key: rename_ostrack_key(key) for key in chosen if key not in UNUSED}
    unknown = [key for key, name in renamed.items() if name is None]
    if unknown:
        raise ValueError(f'{kind}: {len(unknown)} of {len(state)} weights are unknown, so the converted model would '
                         f'differ from the trained one: {list_some(unknown)}')
    return OSTrackWeights(kind, {renamed[key]: value for key, value in chosen.items() if key in renamed},
                          (*dropped, *(key for key in chosen if key in UNUSED)))


def rename_ostrack_key(key: str) -> str | None:
    """Converts the official name of a weight.

    Args:
        key: Official name.

    Returns:
        Name in the state dict of ``ct_mm.OSTrack``, or ``None`` if the name is unknown.
    """
    if key in _POSITIONS:
        return _POSITIONS[key]
    if _BACKBONE_KEY.fullmatch(key):
        return key
    if match := _HEAD_KEY.fullmatch(key):
        index, branch, part, name = match.groups()
        return f'head.{_BRANCHES[branch]}.{int(index) - 1}.{("conv", "bn")[int(part)]}.{name}'
    if match := _LAST_HEAD_KEY.fullmatch(key):
        return f'head.{_BRANCHES[match[1]]}.4.{match[2]}'
    return None


def _choose(state: dict[str, Tensor], weights: str) -> tuple[str, dict[str, Tensor], list[str]]:
    """Returns the kind of file, the selected weights under OSTrack's official names, and the names of the others."""
    has_teacher = any(key.startswith(_TEACHER) for key in state)
    has_student = any(key.startswith(_STUDENT) for key in state)
    kind = ('CompressTracker training checkpoint' if has_teacher else
            'CompressTracker student' if has_student else 'OSTrack')
    if weights == 'teacher':
        if not has_teacher:
            raise ValueError(f'{kind}: this file has no weights of a teacher (ori_backbone.*, ori_box_head.*); '
                             'omit --weights teacher')
        chosen = {key.removeprefix('ori_'): value for key, value in state.items() if key.startswith(_TEACHER)}
        return f'teacher of a {kind}', chosen, [key for key in state if not key.startswith(_TEACHER)]
    if has_teacher and not has_student:
        raise ValueError(f'{kind}: this file has a teacher (ori_backbone.*), but no student '
                         '(backbone.distill_blocks.*); use --weights teacher')
    if not has_student:
        return kind, state, []
    dropped = [key for key in state if key.startswith((*_TEACHER, _FROZEN))]
    chosen = {key.replace(_STUDENT, _FROZEN): value for key, value in state.items() if key not in set(dropped)}
    return f'student of a {kind}' if has_teacher else kind, chosen, dropped


def _refuse_other_models(state: dict[str, Tensor]) -> None:
    """Raises an error with an explanation for files that are often confused with OSTrack's."""
    found = f'found {list_some(list(state))}'
    if 'student.data_preprocessor.mean' in state or any(re.match(r'student\..*\.layer\.', key) for key in state):
        raise ValueError('this is a training checkpoint of ct_mm.ReplacementDistiller; use the plain student '
                         'student/student.pth in the same work dir, which needs no conversion')
    if any(key in state for key in _POSITIONS.values()) or any(key.startswith('head.score.') for key in state):
        raise ValueError('this is already a ct_mm checkpoint, which needs no conversion')
    if not any(key.startswith(('backbone.', 'ori_backbone.')) for key in state):
        plain = any(re.search(r'(^|\.)(blocks|layer|layers)\.0\.', key) for key in state)
        raise ValueError(f'these are not the weights of an OSTrack tracker (backbone.*, box_head.*), '
                         f'{"but apparently of a plain transformer without a head; " if plain else ""}{found}')
    if not any(key.startswith(('box_head.conv1_ctr.', 'ori_box_head.conv1_ctr.')) for key in state):
        heads = [key for key in state if 'head' in key]
        raise ValueError(f'this file has no centre head (box_head.conv1_ctr.*); '
                         f'{"heads: " + list_some(heads) if heads else found}')
