"""Test loop that evaluates a tracker on a benchmark, saves its tracks and resumes after an interruption."""
from __future__ import annotations

import ctypes
import hashlib
import json
import multiprocessing
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

import cv2
import torch
from mmengine.dist import barrier, broadcast_object_list, get_rank, get_world_size, is_main_process
from mmengine.evaluator import Evaluator
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner, TestLoop, autocast
from mmengine.structures import InstanceData
from torch.utils.data import DataLoader

from ct_mm.engine.checkpoints.digest import digest_of_weights
from ct_mm.registry import LOOPS
from ct_mm.tracking.evaluation.results.result_folder import ResultFolder
from ct_mm.tracking.evaluation.results.tracked_sequences import TrackedSequences, balanced_shares
from ct_mm.version import __version__

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@LOOPS.register_module()
class SequenceTestLoop(TestLoop):
    """MMEngine's ``TestLoop`` in two parts: first track every sequence into a file, then score the files.

    The first part skips sequences that already have a file, so repeating the command resumes a run that was stopped,
    killed or lost power. Ranks share the sequences by number of frames; within a rank, each worker process takes the
    next sequence when it is free. The second part is the ordinary loop with all its batches and hooks, over tracks read
    from the files, so the scores are always those of the files.

    The file ``tracker.json`` in the folder records whose tracks it holds (weights, config of the model, version,
    benchmark). Mixing in tracks of a different tracker is an error.

    Args:
        runner: The runner.
        dataloader: Data loader of a :class:`~ct_mm.tracking.datasets.benchmarks.SequenceDataset`, or its config.
        evaluator: Evaluator or its config.
        fp16: Whether to track in mixed precision. Default: False.
        results_dir: Folder for the tracks. Default: ``results/BENCHMARK`` or ``results/BENCHMARK_SPLIT`` in the work
            dir, with the names from the data set's ``metainfo``, or the type of the data set for a missing benchmark.
        workers: Number of single-threaded tracking processes, for CPUs only; use the number of cores. With 0, this
            process tracks with all of torch's threads. Default: 0.
        fresh: Whether to track everything again; the folder of existing tracks is renamed with a number. Default:
            False.
        layout: Layout of the :class:`ResultFolder`. Default: that of the benchmark.

    Raises:
        ValueError: ``workers`` is not a valid number of processes.
    """

    #: Benchmarks with their own layout of results.
    LAYOUT_OF = dict(got10k='got10k')

    def __init__(self, runner: Runner, dataloader: DataLoader | dict, evaluator: Evaluator | dict | list,
                 fp16: bool = False, results_dir: str | os.PathLike | None = None, workers: int = 0,
                 fresh: bool = False, layout: str | None = None) -> None:
        super().__init__(runner, dataloader, evaluator, fp16)
        if workers < 0:
            raise ValueError(f'test_cfg.workers must be an integer of at least 0, not {workers!r}')
        self.workers, self.fresh = workers, fresh
        facts = getattr(self.dataloader.dataset, 'metainfo', {})
        self.benchmark = facts.get('benchmark') or type(self.dataloader.dataset).__name__
        self.split = facts.get('split')
        if results_dir is None:
            name = f'{self.benchmark}_{self.split}' if self.split else self.benchmark
            results_dir = Path(runner.work_dir) / 'results' / name
        self.results = ResultFolder(results_dir, layout or self.LAYOUT_OF.get(self.benchmark, 'plain'))

    def run(self) -> dict[str, float]:
        """Tracks the missing sequences and scores all of them.

        Returns:
            The scores by name.

        Raises:
            ValueError: The model is not a tracker, the folder holds a damaged file or the tracks of another tracker,
                or worker processes are requested on an accelerator; the message says what to do.
        """
        self.runner.call_hook('before_test')
        self.runner.call_hook('before_test_epoch')  # may swap in the moving average of the weights
        self.runner.model.eval()
        self.track()
        for metric in self.evaluator.metrics:
            if hasattr(metric, 'report_dir'):
                metric.report_dir = str(self.results.path)
            if hasattr(metric, 'sequence_names'):
                metric.sequence_names = self.dataloader.dataset.names
        for index, batch in enumerate(self.dataloader):
            self.run_iter(index, batch)
        metrics = self.evaluator.evaluate(len(self.dataloader.dataset))
        self.runner.call_hook('after_test_epoch', metrics=metrics)
        self.runner.call_hook('after_test')
        return metrics

    def run_iter(self, idx: int, data_batch: dict) -> None:
        """Passes the tracks of one batch to the evaluator.

        Args:
            idx: Index of the batch.
            data_batch: Batch from the data loader.

        Raises:
            ValueError: A file has changed since it was written, or a file of another rank is not visible here.
        """
        self.runner.call_hook('before_test_iter', batch_idx=idx, data_batch=data_batch)
        outputs = []
        for sample in data_batch['data_samples']:
            boxes = self.results.read(sample.sequence_name, len(sample.gt_boxes))
            if boxes is None:
                raise ValueError(f'{self.results.file_of(sample.sequence_name)} does not exist, although its sequence '
                                 'was tracked; all processes must see the same folder')
            sample.pred_track_instances = InstanceData(bboxes=torch.from_numpy(boxes))
            outputs.append(sample)
        self.evaluator.process(data_samples=outputs, data_batch=data_batch)
        self.runner.call_hook('after_test_iter', batch_idx=idx, data_batch=data_batch, outputs=outputs)

    def track(self) -> None:
        """Tracks the sequences without a file and returns when all ranks are done.

        Raises:
            ValueError: See :meth:`run`.
        """
        model = self.runner.model.module if is_model_wrapper(self.runner.model) else self.runner.model
        tracked = TrackedSequences(model, self.dataloader.dataset, self.results)
        device = _device_of(model)
        if self.workers and device.type != 'cpu':
            raise ValueError(f'test_cfg.workers={self.workers} (--workers): worker processes can only track on CPUs, '
                             f'but the model is on {device}. For one process per GPU, use --launcher pytorch --gpus N; '
                             'for the CPU, use --device cpu')
        # Wait as long as the slowest rank tracks; the default group would time out, with NCCL within minutes.
        group = None
        if get_world_size() > 1:
            barrier()  # within the default limit, because the group would wait as long for a process that has ended
            group = torch.distributed.new_group(backend='gloo', timeout=timedelta(days=365))
        plan = [self._plan(model, tracked) if is_main_process() else None]
        broadcast_object_list(plan)
        missing = plan[0]
        share = balanced_shares(tracked.dataset.lengths[missing], get_world_size())[get_rank()]
        self._track_share(tracked, [missing[index] for index in share])
        barrier(group)

    def _plan(self, model: torch.nn.Module, tracked: TrackedSequences) -> list[int]:
        """Claims the folder and returns the indices of the sequences to track; runs only on the first rank."""
        cfg = self.runner.cfg
        facts = dict(benchmark=self.benchmark, split=self.split, weights=digest_of_weights(model.state_dict()),
                     model=_digest_of_config(cfg.to_dict().get('model')), fp16=self.fp16, ct_mm=__version__)
        notes = dict(config=cfg.filename, checkpoint=cfg.get('load_from'), device=str(_device_of(model)),
                     torch=torch.__version__)
        moved = self.results.claim(facts, self.fresh, notes)
        missing, total = tracked.missing(), len(tracked)
        frames = int(tracked.dataset.lengths[missing].sum())
        text = f'tracks are in {self.results.path}'
        if moved is not None:
            text += f'; the previous content is kept in {moved}'
        if len(missing) < total:
            text += f'; {total - len(missing)} of {total} sequences are already tracked (--fresh tracks them again)'
        print_log(f'{text}; sequences to track: {len(missing)} of {total}, with {frames} frames', 'current')
        return missing

    def _track_share(self, tracked: TrackedSequences, share: list[int]) -> None:
        """Tracks the sequences of one rank, longest first, and logs the speed and the remaining time."""
        settings = {}
        workers = min(self.workers, len(share))
        if workers:
            if 'fork' not in multiprocessing.get_all_start_methods():
                raise ValueError(f'test_cfg.workers={self.workers} (--workers): worker processes need fork(), which is '
                                 'not available on this system; omit the option')
            # Give the next sequence to the first free worker. Fork, so that all workers share the model's memory.
            settings = dict(
                prefetch_factor=1, in_order=False, multiprocessing_context='fork', worker_init_fn=_init_worker)
        tracks = DataLoader(
            tracked, batch_size=None, sampler=share, collate_fn=_as_it_is, num_workers=workers, **settings)
        total, frames, seconds = int(tracked.dataset.lengths[share].sum()), 0, 1e-9
        with autocast(enabled=self.fp16):  # workers are forked inside the context
            for number, track in enumerate(tracks, start=1):
                frames, seconds = frames + len(track['boxes']), seconds + track['seconds']
                speed = frames / seconds * max(workers, 1)
                left = timedelta(seconds=round((total - frames) / speed))
                print_log(f'{track["name"]}: {len(track["boxes"])} frames; {number} of {len(share)} sequences, '
                          f'{100 * frames / total:.1f} % of the frames, {speed:.1f} frames/s, {left} left', 'current')


def _init_worker(_: int) -> None:
    # The data loader has set torch to one thread; more would deadlock, since OpenMP threads do not survive a fork.
    cv2.setNumThreads(0)
    # A killed parent cannot notify its workers. On other systems they notice after the current sequence.
    if sys.platform == 'linux':
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != multiprocessing.parent_process().pid:  # the parent was killed before prctl
            os._exit(1)


def _as_it_is(item: dict) -> dict:
    return item


def _device_of(model: torch.nn.Module) -> torch.device:
    return next((value.device for value in model.parameters()), torch.device('cpu'))


def _digest_of_config(config: dict | None) -> str:
    return hashlib.sha256(json.dumps(config, sort_keys=True, default=repr).encode()).hexdigest()
