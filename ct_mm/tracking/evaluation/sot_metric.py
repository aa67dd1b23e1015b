"""The metric of single-object tracking; its keys follow mmtracking 1.x."""
from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from ct_mm.registry import METRICS
from ct_mm.tracking.evaluation.got10k import got10k_ious, got10k_scores
from ct_mm.tracking.evaluation.success import ope_scores
from ct_mm.tracking.evaluation.tracks import check_track


@METRICS.register_module()
class SOTMetric(BaseMetric):
    """Scores whole tracks in both common conventions and prints one row per sequence.

    * ``sot/success``, ``sot/precision``, ``sot/norm_precision``: percent, the mean over sequences of PyTracking's
      one-pass evaluation (area under the success curve, 20 pixels, 0.2 of the annotated size).
    * ``sot/ao``, ``sot/sr50``, ``sot/sr75``: fractions, GOT-10k's convention over all frames of all sequences.

    It reads ``sequence_name``, ``gt_boxes``, ``visible``, ``image_size`` and ``pred_track_instances.bboxes`` of every
    sample; the columns ``success`` to ``sr75`` of its table are per sequence.

    Args:
        outfile_prefix: Folder for one text file per sequence, ``NAME.txt``: xywh in pixels, comma separated, four
            decimals, one row per frame. A file appears as soon as its sequence is done. Default: nothing is written.
        format_only: Only write the files and compute nothing, for benchmarks with a server. Needs
            ``outfile_prefix``. Default: False.
        collect_device: ``'cpu'`` or ``'gpu'``, where results of several processes are joined. Default: ``'cpu'``.
        prefix: Put before the keys. Default: ``'sot'``.
        collect_dir: Folder for joining results on the CPU. Default: a temporary folder.

    Raises:
        ValueError: ``format_only`` is set without ``outfile_prefix``.
    """

    default_prefix = 'sot'

    def __init__(self,
                 outfile_prefix: str | None = None,
                 format_only: bool = False,
                 collect_device: str = 'cpu',
                 prefix: str | None = None,
                 collect_dir: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        if format_only and outfile_prefix is None:
            raise ValueError('SOTMetric: format_only=True writes result files only, so outfile_prefix must name a '
                             'folder for them')
        self.outfile_prefix = outfile_prefix
        self.format_only = format_only

    def process(self, data_batch: dict | Sequence, data_samples: Sequence[dict]) -> None:
        """Scores the tracks of one batch and, if asked to, writes them.

        Args:
            data_batch: Not used.
            data_samples: One dict per sequence (see the class).

        Raises:
            ValueError: A predicted box is NaN, infinite or of negative size, or a track has not one box per frame; the
                message names the sequence and the frame. Or two sequences would be written to the same file.
        """
        for sample in data_samples:
            name, visible = sample['sequence_name'], sample['visible']
            bboxes = sample['pred_track_instances']['bboxes']
            prediction = bboxes.detach().cpu().numpy() if isinstance(bboxes, torch.Tensor) else bboxes
            prediction, ground_truth, _ = check_track(prediction, sample['gt_boxes'], visible, name)
            if self.outfile_prefix is not None:
                if any(result['name'] == name for result in self.results):
                    raise ValueError(f'SOTMetric: two sequences are named {name!r}, so their results cannot both be '
                                     f'written to {self.outfile_prefix}')
                self._write(name, prediction)
            result = dict(name=name, frames=len(prediction))
            if not self.format_only:
                result.update(ope_scores(prediction, ground_truth, visible))
                result['ious'] = got10k_ious(prediction, ground_truth, sample['image_size'], visible)
            self.results.append(result)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Prints the table and returns the scores of the whole set.

        Args:
            results: One dict per sequence, of all processes.

        Returns:
            ``success``, ``precision``, ``norm_precision`` in percent and ``ao``, ``sr50``, ``sr75`` as fractions; empty
            if ``format_only``.
        """
        if self.format_only:
            print_log(f'{len(results)} tracks are in {self.outfile_prefix}', logger='current')
            return {}
        means = {key: float(np.mean([result[key] for result in results]))
                 for key in ('success', 'precision', 'norm_precision')}
        means.update(got10k_scores(np.concatenate([result['ious'] for result in results])))
        print_log(self._table(results, means), logger='current')
        return means

    def _write(self, name: str, prediction: np.ndarray) -> None:
        path = Path(self.outfile_prefix) / f'{name}.txt'
        path.parent.mkdir(parents=True, exist_ok=True)
        # The process number keeps two processes apart that pad the data set with the same sequence.
        unfinished = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
        np.savetxt(unfinished, prediction, fmt='%.4f', delimiter=',')
        os.replace(unfinished, path)

    @staticmethod
    def _table(results: list, means: dict[str, float]) -> str:
        rows = []
        for result in sorted(results, key=lambda result: result['name']):
            # A sequence without a visible object after frame 0 has no row in GOT-10k's convention.
            overlaps = got10k_scores(result['ious']) if len(result['ious']) else dict.fromkeys(
                ('ao', 'sr50', 'sr75'), float('nan'))
            rows.append((result['name'], result['frames'], {**result, **overlaps}))
        rows.append((f'all {len(results)} sequences', sum(result['frames'] for result in results), means))
        width = max(len(name) for name, _, _ in rows)
        lines = [f'{"sequence":<{width}} frames success precision norm_precision    ao  sr50  sr75']
        lines += [
            f'{name:<{width}} {frames:6d} {scores["success"]:7.2f} {scores["precision"]:9.2f} '
            f'{scores["norm_precision"]:14.2f} {scores["ao"]:5.3f} {scores["sr50"]:5.3f} {scores["sr75"]:5.3f}'
            for name, frames, scores in rows
        ]
        return '\n' + '\n'.join(lines)
