"""Keeps account of the steps whose loss was no number."""
from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

from mmengine.dist import all_gather_object, is_main_process
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from ct_mm.engine.finite import BadLossError, sample_files
from ct_mm.engine.whole_file import write_text

#: Name of the account in the work dir: a JSON object a line.
BAD_STEPS = 'bad_steps.jsonl'


class BadSteps:
    """Writes each bad step down, and decides whether the training may go on without it.

    The number of skipped steps goes with the checkpoints.

    Args:
        runner: The runner. Its model may have a ``path``, and say with ``path_meaning`` what that is.
        limit: Most steps that may be skipped in the whole training.
    """

    def __init__(self, runner: Runner, limit: int) -> None:
        if limit < 0:
            raise ValueError(f'train_cfg.skip_bad_steps must not be negative, got {limit}')
        self.runner, self.limit = runner, limit
        self.model = runner.model.module if is_model_wrapper(runner.model) else runner.model

    def add(self, error: BadLossError, data_batch: Any) -> None:
        """Takes account of this iteration; to be called by all ranks.

        Args:
            error: What was found on this rank.
            data_batch: This rank's batch.

        Raises:
            BadLossError: If no (further) step may be skipped. Its message names the iteration, the losses, the path,
                the files of the batch and the way out.
        """
        hub = self.runner.message_hub
        skipped = hub.get_info('skipped_steps', 0)
        skip = skipped < self.limit
        ranks = [facts for facts in all_gather_object(self._facts(error, data_batch)) if facts['losses']]
        step = dict(iteration=self.runner.iter + 1, epoch=self.runner.epoch + 1, skipped=skip, ranks=ranks)
        file = Path(self.runner.work_dir) / BAD_STEPS
        if is_main_process():
            earlier = file.read_text(encoding='utf-8') if file.exists() else ''
            write_text(file, f'{earlier}{json.dumps(step, allow_nan=False)}\n')
        told = f'iteration {step["iteration"]} (epoch {step["epoch"]}): ' + '; '.join(
            _sentence(facts, getattr(self.model, 'path_meaning', '')) for facts in ranks)
        if not skip:
            way_out = (f'{skipped} steps were skipped before, as many as train_cfg.skip_bad_steps allows'
                       if self.limit else 'train_cfg.skip_bad_steps=N would skip up to N such steps')
            raise BadLossError(f'{told}. The weights are as before this step, and so is the last checkpoint. Lower the '
                               f'learning rate or look at the batch; {way_out}. Written to {file}') from error
        hub.update_info('skipped_steps', skipped + 1)
        hub.update_scalar('train/skipped_steps', skipped + 1)
        print_log(f'{told}. Skipped, {skipped + 1} of at most {self.limit}; written to {file}', 'current',
                  logging.WARNING)

    def _facts(self, error: BadLossError, data_batch: Any) -> dict[str, Any]:
        path = error.context.get('path', getattr(self.model, 'path', None))
        samples = data_batch.get('data_samples') if isinstance(data_batch, dict) else None
        losses = {name: value if math.isfinite(value) else str(value) for name, value in error.losses.items()}
        return dict(
            rank=self.runner.rank, losses=losses, path=list(path) if isinstance(path, (list, tuple)) else None,
            files=error.files or sample_files(samples))


def _sentence(facts: dict[str, Any], meaning: str) -> str:
    path = '' if facts['path'] is None else f', path {tuple(facts["path"])}' + f' ({meaning})' * bool(meaning)
    losses = ', '.join(f'{name}={value}' for name, value in facts['losses'].items())
    return (f'a loss is no number any more on rank {facts["rank"]}: {losses}{path}; batch: '
            f'{", ".join(facts["files"]) or "its samples name no files"}')
