"""Records the steps with a non-finite loss."""
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

#: Name of the record in the work dir: one JSON object per line.
BAD_STEPS = 'bad_steps.jsonl'


class BadSteps:
    """Records each bad step and decides whether the training may skip it.

    Checkpoints store the number of skipped steps.

    Args:
        runner: The runner. Its model may have a ``path``, which ``path_meaning`` explains.
        limit: Maximum number of steps that may be skipped in the whole training.
    """

    def __init__(self, runner: Runner, limit: int) -> None:
        if limit < 0:
            raise ValueError(f'train_cfg.skip_bad_steps must not be negative, got {limit}')
        self.runner, self.limit = runner, limit
        self.model = runner.model.module if is_model_wrapper(runner.model) else runner.model

    def add(self, error: BadLossError, data_batch: Any) -> None:
        """Records this iteration. All ranks must call it.

        Args:
            error: The error on this rank.
            data_batch: This rank's batch.

        Raises:
            BadLossError: If no further step may be skipped. Its message names the iteration, the losses, the path,
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
                       if self.limit else 'set train_cfg.skip_bad_steps=N to skip up to N such steps')
            raise BadLossError(f'{told}. This step changed neither the weights nor the last checkpoint. Lower the '
                               f'learning rate or inspect the batch; {way_out}. Recorded in {file}') from error
        hub.update_info('skipped_steps', skipped + 1)
        hub.update_scalar('train/skipped_steps', skipped + 1)
        print_log(f'{told}. Skipped, {skipped + 1} of at most {self.limit}; recorded in {file}', 'current',
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
    return (f'non-finite loss on rank {facts["rank"]}: {losses}{path}; batch: '
            f'{", ".join(facts["files"]) or "its samples name no files"}')
