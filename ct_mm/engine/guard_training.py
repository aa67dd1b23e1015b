"""Makes the config of any training robust against interruptions and bad losses."""
from __future__ import annotations

import copy

from mmengine.config import Config

#: MMEngine's components and their replacements.
GUARDED = {
    'CheckpointHook': 'ct_mm.SafeCheckpointHook',
    'EpochBasedTrainLoop': 'ct_mm.GuardedEpochLoop',
    'IterBasedTrainLoop': 'ct_mm.GuardedIterLoop',
}
_PLAIN = {guarded: plain for plain, guarded in GUARDED.items()}


def guard_training(cfg: Config) -> Config:
    """Replaces MMEngine's checkpoint hook and training loops with those of this package.

    Args:
        cfg: A config. Custom hooks and loops are kept.

    Returns:
        A copy with ``ct_mm.SafeCheckpointHook`` and ``ct_mm.GuardedEpochLoop`` or ``ct_mm.GuardedIterLoop``, each with
        the arguments of the component it replaces. A config that already uses them is returned as an equal copy.
    """
    cfg = copy.deepcopy(cfg)
    hooks = cfg.get('default_hooks') or {}
    # MMEngine saves after each epoch by default
    cfg.default_hooks = dict(hooks, checkpoint=hooks.get('checkpoint', dict(type='CheckpointHook', interval=1)))
    loop = cfg.get('train_cfg')
    if loop is not None and 'type' not in loop and 'by_epoch' in loop:
        loop.type = 'EpochBasedTrainLoop' if loop.pop('by_epoch') else 'IterBasedTrainLoop'
    return _exchange(cfg, GUARDED)


def unguard_training(cfg: Config) -> Config:
    """Undoes :func:`guard_training`, for a config that has to work without this package.

    Args:
        cfg: A config.

    Returns:
        A copy with MMEngine's components.
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
