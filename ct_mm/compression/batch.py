"""Runs a model on a batch without leaving a trace."""
from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from mmengine.logging import print_log
from torch import nn
from torch.utils.data import DataLoader


def run_model(model: nn.Module, batch: Any, mode: str) -> Any:
    """Runs a model on a preprocessed batch as MMEngine does: a dict is passed by name, anything else in order."""
    return model(**batch, mode=mode) if isinstance(batch, Mapping) else model(*batch, mode=mode)


def training_batch(loader: DataLoader, preprocessor: nn.Module, draws: Iterable[int] | None = None) -> Any | None:
    """Reads a batch of training data without using the sampler or changing its state.

    Args:
        loader: The data loader of the training.
        preprocessor: The model's data preprocessor.
        draws: Indices of the samples; ``None`` takes the first two.

    Returns:
        The batch as the model takes it in training; ``None``, with a warning, if the data set cannot be read by index.
    """
    data = loader.dataset
    if not hasattr(data, '__getitem__'):
        print_log('the training data cannot be read by index, so there is no batch to compare outputs on', 'current',
                  logging.WARNING)
        return None
    draws = range(min(2, len(data))) if draws is None else draws
    return preprocessor(loader.collate_fn([data[index] for index in draws]), True)


def describe(value: Any) -> str:
    """Describes an output or argument of a model, for messages."""
    if isinstance(value, torch.Tensor):
        return f'a tensor {tuple(value.shape)}'
    if isinstance(value, Mapping):
        return f'a dict of {", ".join(map(str, value))}'
    inner = f' of {len(value)} ({", ".join(map(describe, value))})' if isinstance(value, (tuple, list)) else ''
    return f'a {type(value).__name__}{inner}'


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
    """Puts a model into eval mode and restores the mode of each of its modules afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Restores the random state afterwards, because reading data and building models draw random numbers."""
    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
