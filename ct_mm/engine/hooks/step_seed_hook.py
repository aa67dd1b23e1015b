"""Makes the random numbers of each iteration reproducible."""
from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ct_mm.engine.loops.data_workers import prepare_data
from ct_mm.registry import HOOKS


@HOOKS.register_module()
class StepSeedHook(Hook):
    """Seeds Python, NumPy and PyTorch before each training iteration from (seed, iteration, rank).

    MMEngine's checkpoints do not store the state of the random number generators, so a resumed run would draw other
    drop paths than an uninterrupted one. With this hook both draw the same ones, and no state has to be saved.

    Args:
        seed: Seed of the run.
    """

    priority = 'VERY_HIGH'

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def before_train(self, runner: Runner) -> None:
        """Prepares the training data, which MMEngine's own loops do not; raises a ValueError if there is no step."""
        loop = runner.train_loop
        if prepare_data(loop.dataloader) and hasattr(loop, 'dataloader_iterator'):
            loop.dataloader_iterator = type(loop.dataloader_iterator)(loop.dataloader)
        if runner.max_iters < 1:
            raise ValueError(f'train_cfg: max_epochs={runner.max_epochs}, max_iters={runner.max_iters} makes no step')

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Seeds this iteration."""
        words = np.random.SeedSequence((self.seed, runner.iter, runner.rank)).generate_state(2)
        random.seed(int(words[0]))
        np.random.seed(int(words[0]))
        torch.manual_seed(int(words[1]))
