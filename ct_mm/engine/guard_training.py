"""Config in, config out: any training becomes one that is hard to break."""
from __future__ import annotations

import copy

from mmengine.config import Config

#: MMEngine's own parts, and what takes their place.
GUARDED = {
    'CheckpointHook': 'ct_mm.SafeCheckpointHook',
    'EpochBasedTrainLoop': 'ct_mm.GuardedEpochLoop',
    'IterBasedTrainLoop': 'ct_mm.GuardedIterLoop',
}
_PLAIN = {guarded: plain for plain, guarded in GUARDED.items()}


def guard_training(cfg: Config) -> Config:
    """Puts the checkpoint hook and the training loops of this package in the place of MMEngine's.

    Args:
        cfg: A config. Parts that are not MMEngine's own stay as they are.

    Returns:
        A copy with ``ct_mm.SafeCheckpointHook`` and ``ct_mm.GuardedEpochLoop`` or ``ct_mm.GuardedIterLoop``, each with
        the arguments of what it replaces. A config that has them already comes back equal.
    """
    cfg = copy.deepcopy(cfg)
    hooks = cfg.get('default_hooks') or {}
    # without a word on it MMEngine saves after each epoch
    cfg.default_hooks = dict(hooks, checkpoint=hooks.get('checkpoint', dict(type='CheckpointHook', interval=1)))
    loop = cfg.get('train_cfg')
    if loop is not None and 'type' not in loop and 'by_epoch' in loop:
        loop.type = 'EpochBasedTrainLoop' if loop.pop('by_epoch') else 'IterBasedTrainLoop'
    return _exchange(cfg, GUARDED)


def unguard_training(cfg: Config) -> Config:
    """Undoes :func:`guard_training`, for a config that is to work without this package.

    Args:
        cfg: A config.

    Returns:
        A copy with MMEngine's own parts.
    """
    cfg = _exchange(copy.deepcopy(cfg), _PLAIN)
    if cfg.get('train_cfg') is not None:
        cfg.train_cfg.pop('skip_bad_steps', None)
    return cfg


def _exchange(cfg: Config, names: dict[str, str]) -> Config:
    for part in ((cfg.get('default_hooks') or {}).get('checkpoint'), cfg.get('train_cfg')):
        if part is not None and 'type' in part:
            kind = part['type']
            name = kind if isinstance(kind, str) else kind.__name__ if kind.__module__.startswith('mmengine.') else ''
            part['type'] = names.get(name.removeprefix('mmengine.'), kind)
    return cfg
