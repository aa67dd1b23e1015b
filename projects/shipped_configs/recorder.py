"""Writes down what a training does, for the comparison of two."""
from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.hooks import EMAHook, Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor
from torch.utils._pytree import tree_leaves

#: Steps after which a training ends: an epoch of four images in pairs.
STEPS = 2


class Recorder(Hook):
    """Records the optimizer's groups, the images that enter the model, the averages and the validation.

    It also ends the training early, so that its schedules stay those of the whole, and starts each step from the same
    random state, so that two trainings draw the same mixtures of images.

    Args:
        file: The JSON to write at the end.
    """

    def __init__(self, file: str) -> None:
        self.file = Path(file)
        self.record: dict[str, Any] = dict(images=[])
        self._in_step = False

    def before_train(self, runner: Runner) -> None:
        """Records the optimizer and the averages, before the first step."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        model.data_preprocessor.register_forward_hook(self._note_images)
        self.record['optimizer'] = _groups(runner, model)
        self.record['trained'] = {_plain_name(model, name): p.requires_grad for name, p in model.named_parameters()}
        self.record['ema'] = [
            dict(type=type(hook).__name__, average=type(hook.ema_model).__name__, momentum=hook.ema_model.momentum,
                 names=sorted(_plain_name(model, name) for name in hook.ema_model.module.state_dict()))
            for hook in runner.hooks if isinstance(hook, EMAHook)]

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Starts the step from the same random state in both trainings."""
        np.random.seed(runner.iter)
        torch.manual_seed(runner.iter)
        self._in_step = True

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None,
                         outputs: dict | None = None) -> None:
        """Ends the training."""
        self._in_step = False
        runner.train_loop.stop_training = runner.iter + 1 >= STEPS

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Records the scores."""
        self.record['scores'] = {name: float(value) for name, value in (metrics or {}).items()}

    def after_train(self, runner: Runner) -> None:
        """Records the optimizer after the last step, and writes all."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        self.record['optimizer_at_the_end'] = _groups(runner, model)
        self.file.write_text(json.dumps(self.record))

    def _note_images(self, module: Any, args: tuple, output: Any) -> None:
        if not self._in_step:
            return
        digest = hashlib.sha256()
        for leaf in tree_leaves(output):
            for tensor in [leaf] if isinstance(leaf, Tensor) else _tensors_of(leaf):
                digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        self.record['images'].append(digest.hexdigest()[:16])


def _tensors_of(sample: Any) -> list[Tensor]:
    """The labels in a data sample."""
    found = []
    for _, value in sorted(getattr(sample, 'items', dict)()):
        found += [value] if isinstance(value, Tensor) else _tensors_of(value) if hasattr(value, 'items') else []
    return found


def _groups(runner: Runner, model: Any) -> dict[str, dict[str, Any]]:
    """The settings of each trained parameter in the optimizer, by its plain name."""
    names = {id(parameter): _plain_name(model, name) for name, parameter in model.named_parameters()}
    return {names[id(parameter)]: {key: value for key, value in group.items()
                                   if key not in ('params', 'param_name', 'param_names')}
            for group in runner.optim_wrapper.optimizer.param_groups for parameter in group['params']}


def _plain_name(model: Any, name: str) -> str:
    """Removes what the compression adds to a name: ``student.`` in front, and ``layer.`` in a divided list."""
    if not hasattr(model, 'divided'):
        return name
    name = name.removeprefix('student.')
    for stack in model.divided.stacks:
        container = stack.place.container
        if name.startswith(f'{container}.'):
            index, _, rest = name.removeprefix(f'{container}.').partition('.')
            return f'{container}.{index}.{rest.removeprefix("layer.")}'
    return name
