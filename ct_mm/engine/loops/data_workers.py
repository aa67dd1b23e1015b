"""Data loaders whose workers survive a signal to the whole job and report which sample they died on."""
from __future__ import annotations

import logging
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Any

from mmengine.logging import print_log
from mmengine.runner import Runner
from torch.utils.data import DataLoader, IterableDataset

from .stop_signals import STOP_SIGNALS


def build_shielded(runner: Runner, dataloader: DataLoader | dict) -> DataLoader:
    """Builds a data loader whose workers ignore the signals that stop a training.

    Schedulers send these signals to all processes of a job. If the workers died, the training could not finish its
    current step.

    Args:
        runner: The runner.
        dataloader: A data loader that has not started its workers, or its config.

    Returns:
        The data loader.

    Raises:
        ValueError: See :func:`prepare_data`.
    """
    if not isinstance(dataloader, DataLoader):
        dataloader = runner.build_dataloader(
            dataloader, seed=runner.seed, diff_rank_seed=runner._randomness_cfg.get('diff_rank_seed', False))
    prepare_data(dataloader)
    dataloader.worker_init_fn = partial(_shield, dataloader.worker_init_fn, os.getpid())
    return dataloader


def prepare_data(dataloader: DataLoader) -> bool:
    """Makes sure, before the first step, that each epoch has batches, and new ones.

    Args:
        dataloader: Its dataset may have a ``prepare_loader``, which is given the data loader and returns whether it
            changed its sampler.

    Returns:
        Whether an iterator over the data that exists already must be made anew.

    Raises:
        ValueError: If an epoch has no batch; the message names the settings.
    """
    prepare = getattr(dataloader.dataset, 'prepare_loader', None)
    changed = prepare is not None and prepare(dataloader)
    if not isinstance(dataloader.dataset, IterableDataset) and len(dataloader) == 0:
        samples = len(getattr(dataloader.batch_sampler, 'sampler', dataloader.sampler))
        raise ValueError(f'train_dataloader makes no step: {samples} samples in an epoch, batch_size='
                         f'{dataloader.batch_size}, drop_last={dataloader.drop_last}. Lower batch_size or add samples')
    return changed


def _shield(init: Callable[[int], None] | None, trainer: int, worker: int) -> None:
    for number in STOP_SIGNALS:
        if number != signal.SIGTERM:
            signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, 'sigwaitinfo'):  # Linux
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        threading.Thread(target=_obey_alone, args=(trainer, ), daemon=True).start()
    if init is not None:
        init(worker)


def _obey_alone(trainer: int) -> None:
    """Obeys SIGTERM only from the process that started the worker, because Python ends its children this way."""
    while signal.sigwaitinfo([signal.SIGTERM]).si_pid != trainer:
        pass
    os._exit(0)


def rest_of_epoch(dataloader: DataLoader, first: int) -> Iterator[Any]:
    """Iterates over an epoch from batch ``first`` on, without loading the batches before it.

    Args:
        dataloader: A data loader whose samplers repeat the same order within an epoch.
        first: Number of batches to skip.

    Returns:
        An iterator over the remaining batches.
    """
    if not first:
        return iter(dataloader)
    if isinstance(dataloader.dataset, IterableDataset):
        return islice(dataloader, first, None)
    name = 'sampler' if dataloader.batch_sampler is None else 'batch_sampler'
    # torch forbids this because running workers would keep the old sampler; here no worker has started yet.
    object.__setattr__(dataloader, name, _SkipOnce(getattr(dataloader, name), first))
    return iter(dataloader)


class _SkipOnce:
    """A sampler that skips its first entries once. Persistent workers keep it for all epochs.

    A data loader first creates two iterators and uses one of them, so the skip counts as done at the first entry
    requested.
    """

    def __init__(self, entries: Any, skip: int) -> None:
        self.entries, self.skip = entries, skip

    def __iter__(self) -> Iterator[Any]:
        skip, self.skip = self.skip, 0
        yield from islice(iter(self.entries), skip, None)

    def __len__(self) -> int:
        return len(self.entries)

    def __getattr__(self, name: str) -> Any:
        if name == 'entries':
            raise AttributeError(name)
        return getattr(self.entries, name)


@contextmanager
def deaths_explained(dataloader: DataLoader) -> Iterator[None]:
    """Adds the sample that a dead worker was making to torch's error.

    Args:
        dataloader: Its dataset may have an ``at_work``, whose ``of(pid)`` returns the sample a worker was making.

    Raises:
        RuntimeError: Replaces torch's error; names the sample and what to do.
    """
    try:
        yield
    except RuntimeError as error:
        found = re.match(r'DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\)', str(error))
        if found is None:
            raise
        at_work = getattr(dataloader.dataset, 'at_work', None)
        made = [at_work.of(int(pid)) for pid in found[1].split(',')] if at_work is not None else []
        named = '; '.join(filter(None, made)) or 'something that its dataset does not name'
        advice = ('If the machine ran out of memory (see dmesg), lower train_dataloader.num_workers or batch_size; '
                  'otherwise load that sample alone to see its error. Continue with --resume')
        message = f'{str(error).strip().rstrip(".")}. It was making {named}. {advice}'
        print_log(message, 'current', logging.ERROR)
        raise RuntimeError(message) from error
