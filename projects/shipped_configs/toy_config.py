"""Writes the two configs of a row: the plain one inherits from the shipped one, the compressed one from the plain.

Only what a CPU and four images require is changed; the list is in the page's text.
"""
from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from .recorder import STEPS
from .rows import Row

#: Keys of a pipeline, a preprocessor or a slid window that are sizes in pixels.
SIZES = ('scale', 'scales', 'crop_size', 'size', 'img_scale', 'stride', 'resize_scale')


def write_configs(row: Row, folder: Path, record: Callable[[str], str]) -> None:
    """Writes ``plain.py`` and ``compressed.py``.

    Args:
        row: The row.
        folder: Where to.
        record: Returns the file of a run's record, by the name of its config.
    """
    (folder / 'shipped.py').write_text(f"_base_ = ['{row.base}']\n")
    shipped = Config.fromfile(folder / 'shipped.py').to_dict()
    toy = _toy(copy.deepcopy(shipped), row)
    hooks = toy.get('custom_hooks') or []

    def write(name: str, base: str, change: Mapping) -> None:
        recorder = dict(type='shipped_configs.recorder.Recorder', file=record(name), priority='LOWEST')
        text = Config(dict(change, custom_hooks=[*hooks, recorder])).pretty_text
        (folder / f'{name}.py').write_text(f"_base_ = ['{base}']\n{text}")

    write('plain', row.base, _changes(shipped, toy))
    compress = dict(row.compress, teacher='teacher.pth')
    write('compressed', './plain.py', dict(runner_type='ct_mm.CompressRunner', compress=compress))


def _toy(cfg: dict[str, Any], row: Row) -> dict[str, Any]:
    cfg['randomness'] = dict(seed=0)
    cfg['load_from'] = None
    for key in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        cfg[key].update(batch_size=2, num_workers=1)
    interval = STEPS if 'max_iters' in cfg['train_cfg'] else 1
    cfg['train_cfg'].update(val_interval=interval, val_begin=1)
    cfg['train_cfg'].pop('dynamic_intervals', None)
    cfg['default_hooks']['checkpoint'].update(interval=interval)
    cfg['default_hooks']['logger']['interval'] = 1
    wrapper = cfg['optim_wrapper']
    if wrapper.get('type') == 'AmpOptimWrapper':
        wrapper['type'] = 'OptimWrapper'
        for key in ('loss_scale', 'dtype'):
            wrapper.pop(key, None)
    _walk(cfg['model'], _offline)
    if row.library != 'mmpretrain':
        for key, value in list(cfg.items()):
            if key.endswith(('dataloader', 'pipeline', 'data_preprocessor', 'crop_size')) or key == 'model':
                cfg[key] = (_divided if key == 'crop_size' else _smaller)(value, row.fraction)
    return cfg


def _offline(part: dict[str, Any]) -> None:
    """Leaves out weights to be downloaded, and batch norms that only a GPU has."""
    for key in ('init_cfg', 'pretrained'):
        value = part.get(key)
        if key == 'pretrained' and value or isinstance(value, dict) and value.get('type') == 'Pretrained':
            part[key] = None
    if part.get('type') in ('SyncBN', 'MMSyncBN'):
        part['type'] = 'BN'


def _walk(value: Any, visit: Callable[[dict], None]) -> None:
    if isinstance(value, dict):
        visit(value)
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ():
        _walk(item, visit)


def _smaller(value: Any, fraction: int) -> Any:
    if isinstance(value, dict):
        backbone = value.get('type') in ('VisionTransformer', 'BEiT', 'MAE') and 'img_size' in value
        return {key: _divided(item, fraction) if key in SIZES and _in_pixels(item) or backbone and key == 'img_size'
                else _smaller(item, fraction) for key, item in value.items()}
    return type(value)(_smaller(item, fraction) for item in value) if isinstance(value, (list, tuple)) else value


def _in_pixels(value: Any) -> bool:
    numbers = value if isinstance(value, (list, tuple)) else [value]
    return all(isinstance(n, int) and n >= 64 or isinstance(n, (list, tuple)) and _in_pixels(n) for n in numbers)


def _divided(value: Any, fraction: int) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(_divided(item, fraction) for item in value)
    return max(value // fraction, 32)


def _changes(old: Mapping, new: Mapping) -> dict[str, Any]:
    """The smallest config that turns one into the other if it inherits from it."""
    changed: dict[str, Any] = {}
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            if inner := _changes(before, value):
                changed[key] = dict(value, _delete_=True) if before.keys() - value.keys() else inner
        elif key not in old or before != value:
            changed[key] = value
    return changed
