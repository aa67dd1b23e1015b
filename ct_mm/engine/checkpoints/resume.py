"""Chooses the checkpoint to resume from, and checks that it belongs to the same training."""
from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config
from torch import nn

from .misfit import find_misfit
from .reading import check_weights, find_weights, read_checkpoint

#: What to start from: it does not matter to a training that has begun.
_FREE_KEYS = ('init_cfg', 'pretrained')
#: Settings that matter to how a training goes on, and may be changed.
_NOTED_SECTIONS = ('optim_wrapper', 'param_scheduler', 'train_cfg', 'train_dataloader', 'randomness', 'custom_hooks')
#: What a config does not say, unlike a ``None`` in it.
_ABSENT = object()


@dataclass(frozen=True)
class Resumable:
    """A whole checkpoint, and others that are not.

    Attributes:
        path: The checkpoint.
        iteration: How many iterations are in it.
        damaged: What is wrong with each other file.
        lost: Whether one of them was written later.
    """

    path: Path
    iteration: int
    damaged: tuple[str, ...] = ()
    lost: bool = False

    @property
    def warning(self) -> str:
        """What is wrong and what is trained again; empty if nothing is wrong."""
        if not self.damaged:
            return ''
        again = f': everything trained from iteration {self.iteration + 1} on is lost, and trained again'
        return f'{"; ".join(self.damaged)}. Resuming from {self.path}{again if self.lost else ""}'


def training_files(folder: str | os.PathLike, pattern: str, *more: str) -> list[Path]:
    """Lists the checkpoints of a training.

    Args:
        folder: Their folder.
        pattern: Their names, with ``{}`` for the number.
        *more: Further names.

    Returns:
        The files that exist.
    """
    head, tail = map(re.escape, pattern.split('{}', 1))
    names = re.compile(f'{head}\\d+{tail}')
    files = Path(folder).iterdir() if Path(folder).is_dir() else ()
    return sorted(file for file in files if names.fullmatch(file.name) or file.name in more)


def newest_whole(files: Iterable[Path], model_bytes: int | None = None) -> Resumable | None:
    """Finds the checkpoint with the most iterations that can be read to its end.

    Args:
        files: Checkpoints of one training.
        model_bytes: What its model takes, if it is known, see :func:`read_checkpoint`.

    Returns:
        The checkpoint, or ``None`` if there are no files.

    Raises:
        ValueError: If there are files and all are damaged.
    """
    found, damaged = [], {}
    for file in files:
        try:
            meta = read_checkpoint(file, mapped=True, model_bytes=model_bytes)['meta']
            if not type(meta['iter']) is type(meta['epoch']) is int:
                raise TypeError('its iterations are not counted')
            found.append((meta['iter'], meta['epoch'], file.stat().st_mtime, file))
        except (ValueError, LookupError, TypeError, OSError) as error:
            damaged[file] = _reason(file, error)
    for iteration, _, written, file in sorted(found, reverse=True):
        try:
            check_training(file, model_bytes)
        except (ValueError, OSError) as error:
            damaged[file] = _reason(file, error)
        else:
            lost = any(other.stat().st_mtime >= written for other in damaged)
            return Resumable(file, iteration, tuple(damaged.values()), lost)
    if damaged:
        raise ValueError('there is no undamaged checkpoint to resume from: ' + '; '.join(damaged.values()))
    return None


def check_training(file: str | os.PathLike, model_bytes: int | None = None) -> None:
    """Reads a checkpoint of a training to its end.

    Raises:
        ValueError: If it is damaged, or no training could resume with its weights.
    """
    content = read_checkpoint(file, model_bytes=model_bytes)
    if not isinstance(content, dict) or not isinstance(content.get('state_dict'), dict):
        raise ValueError(f'checkpoint {file} is not a training checkpoint')
    check_weights(find_weights(content), file)


def _reason(file: Path, error: Exception) -> str:
    text = f'it is not a training checkpoint, {type(error).__name__}: {error}'
    text = str(error) if isinstance(error, ValueError) else text
    return f'{file.name} cannot be used ({text.replace(f"checkpoint {file} ", "it ")})'


def describe_config(cfg: Config) -> str:
    """Writes a config as JSON, which a checkpoint stores and a resumed run compares.

    MMEngine stores the config as Python, which can only be read by running it.
    """
    return json.dumps(cfg.to_dict(), default=lambda value: getattr(value, '__qualname__', type(value).__name__))


def resume_facts(model: nn.Module) -> dict[str, str]:
    """What a model's ``resume_facts``, if it has any, says must be the same when its training resumes."""
    return getattr(model, 'resume_facts', dict)()


def check_resumable(checkpoint: Mapping[str, Any], model: nn.Module, cfg: Config) -> list[str]:
    """Checks that a checkpoint belongs to this training.

    Args:
        checkpoint: The content of the checkpoint.
        model: The model. Its ``free_keys``, if any, are keys of its config that may differ; its ``resume_facts()`` are
            texts by name that must not.
        cfg: The config of the resumed run.

    Returns:
        Settings that differ and may differ, each as a sentence.

    Raises:
        ValueError: If the model, its stages or the type of optimizer differ; names the keys and the way out.
    """
    meta = checkpoint.get('meta') or {}
    before, now = json.loads(meta.get('run') or '{}'), json.loads(describe_config(cfg))
    wrong, noted = [], []
    free = (*_FREE_KEYS, *getattr(model, 'free_keys', ()))
    if 'model' in before and 'model' in now:
        wrong += differences(before['model'], now['model'], 'model', free)
    for section in _NOTED_SECTIONS if before else ():
        noted += differences(*(_by_type(config.get(section)) for config in (before, now)), section, free)
    wrong += [line for line in noted if line.startswith('optim_wrapper.optimizer.type:')]
    for name, value in resume_facts(model).items():
        kept = (meta.get('facts') or {}).get(name)
        if kept is None:
            noted.append(f'{name}: the checkpoint does not say which they were, so nothing can tell whether they are '
                         f'the same now')
        elif kept != value:
            wrong.append(f'{name}: not those of the checkpoint (SHA-256 {kept[:12]}... there, {value[:12]}... here)')
    saved = {name.removeprefix('module.'): value for name, value in checkpoint['state_dict'].items()}
    misfit = find_misfit(model.state_dict(), saved)
    wrong += [f'weights: {misfit}'] if misfit else []
    if wrong:
        shown = ''.join(f'\n  {line}' for line in wrong[:10]) + (f'\n  and {len(wrong) - 10} more' * (len(wrong) > 10))
        raise ValueError('cannot resume: this checkpoint belongs to a different run:' + shown +
                         '\nRestore these settings, or start a new training from these weights: '
                         '--cfg-options load_from=CHECKPOINT, without --resume, in another work dir')
    return noted


def differences(before: Any, now: Any, name: str, free: Collection[str]) -> list[str]:
    """What differs between two parts of a config, free keys aside: ``key: before in the checkpoint, now here``."""
    if isinstance(before, dict) and isinstance(now, dict):
        keys = [key for key in dict.fromkeys([*before, *now]) if key not in free]
        return [line for key in keys
                for line in differences(before.get(key, _ABSENT), now.get(key, _ABSENT), f'{name}.{key}', free)]
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        return [line for i, pair in enumerate(zip(before, now)) for line in differences(*pair, f'{name}[{i}]', free)]
    if _is_ours(before) and _is_ours(now) and before.rpartition('.')[2] == now.rpartition('.')[2]:
        return []  # a class that moved to another module
    return [] if before == now else [f'{name}: {_short(before)} in the checkpoint, {_short(now)} here']


def _is_ours(value: Any) -> bool:
    return isinstance(value, str) and value.startswith('ct_mm.')


def _by_type(section: Any) -> Any:
    """A list of hooks by their types, so that each is compared with itself wherever it stands."""
    parts = section if isinstance(section, list) and section and all(isinstance(part, dict) for part in section) else []
    types = [str(part.get('type')) for part in parts]
    return dict(zip(types, parts)) if len(set(types)) == len(parts) > 0 else section


def _short(value: Any) -> str:
    text = 'nothing' if value is _ABSENT else 'None' if value is None else json.dumps(value)
    return text if len(text) < 80 else text[:77] + '...'
