"""Metric of single-object tracking, with keys as in mmtracking 1.x."""
from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from mmengine.dist import all_gather_object, broadcast_object_list, is_main_process
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from ct_mm.registry import METRICS
from ct_mm.tracking.evaluation.reports.score_table import ScoreTable
from ct_mm.tracking.evaluation.results.result_folder import ResultFolder
from ct_mm.tracking.evaluation.scoring import conventions
from ct_mm.tracking.evaluation.scoring.tracks import check_track


@METRICS.register_module()
class SOTMetric(BaseMetric):
    """Scores whole tracks and logs a table: all sequences, each attribute and, if there are few, each sequence.

    * ``sot/success``, ``sot/precision``, ``sot/norm_precision``: percent, from one-pass evaluation in the chosen
      convention (area under the success curve, 20 pixels, 0.2 of the annotated size). ``'got10k'`` has only the first,
      ``'got10k_otb'`` only the first two.
    * ``sot/ao``, ``sot/sr50``, ``sot/sr75``: fractions in GOT-10k's convention over all frames of all sequences.

    In PyTracking's convention, the benchmark determines how frames without a visible object count. The data set names
    it in its ``metainfo`` (``benchmark``); without a name these frames are misses. The table states the rule.

    The metric reads ``sequence_name``, ``gt_boxes``, ``visible``, ``image_size`` and ``pred_track_instances.bboxes`` of
    each sample, and ``attributes`` and ``first_box_only`` if present. Sequences whose annotation is kept by a server
    (``first_box_only``) are not scored; if all are, the metric returns nothing and logs where the tracks are.

    Results of several processes are joined by the name of the sequence, so their shares can be unequal or overlap.

    Args:
        outfile_prefix: Folder for one text file per sequence, see :class:`ResultFolder`, written as soon as the
            sequence is done. Default: write nothing. (``ct_mm.SequenceTestLoop`` writes the tracks itself.)
        format_only: Whether to write the files without computing scores, for benchmarks with a server. Requires
            ``outfile_prefix``. Default: False.
        collect_device: Unused, since results are small; kept for MMEngine. Default: ``'cpu'``.
        prefix: Prefix of the keys. Default: ``'sot'``.
        collect_dir: Unused; kept for MMEngine.
        convention: Name of a scoring convention, see :mod:`~ct_mm.tracking.evaluation.scoring.conventions`. Default:
            ``'pytracking'``.
        layout: Layout of ``outfile_prefix``: ``'plain'``, or ``'got10k'``, which requires
            ``pred_track_instances.seconds``. Default: ``'plain'``.

    Attributes:
        report_dir: Folder for ``scores.md`` and ``scores.csv``, set by the test loop; None to write no report.
        sequence_names: Names of all expected sequences in the order of the table, to detect missing ones; None if
            unknown.

    Raises:
        ValueError: ``format_only`` is set without ``outfile_prefix``, or the convention or layout is unknown.

    Examples:
        >>> boxes = np.array([[10., 10, 20, 20], [12, 10, 20, 20]])
        >>> metric = SOTMetric()
        >>> metric.process({}, [dict(sequence_name='walk', gt_boxes=boxes, visible=np.ones(2, bool),
        ...                          image_size=(64, 64), pred_track_instances=dict(bboxes=boxes))])
        >>> metric.evaluate(1)['sot/ao']
        1.0
    """

    default_prefix = 'sot'

    def __init__(self, outfile_prefix: str | None = None, format_only: bool = False, collect_device: str = 'cpu',
                 prefix: str | None = None, collect_dir: str | None = None, convention: str = 'pytracking',
                 layout: str = 'plain') -> None:
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        if format_only and outfile_prefix is None:
            raise ValueError('SOTMetric: format_only=True only writes result files, so outfile_prefix must name their '
                             'folder')
        self.convention = conventions.get(convention).name
        self.outfile_prefix = outfile_prefix
        self.folder = None if outfile_prefix is None else ResultFolder(outfile_prefix, layout)
        self.format_only = format_only
        self.report_dir: str | None = None
        self.sequence_names: Sequence[str] | None = None

    def process(self, data_batch: dict | Sequence, data_samples: Sequence[dict]) -> None:
        """Scores the tracks of one batch and, with ``outfile_prefix``, writes them.

        Args:
            data_batch: Unused.
            data_samples: One dict per sequence, see the class.

        Raises:
            ValueError: A predicted box is not finite or has a negative size, or a track does not have one box per
                frame; the message names the sequence and the frame. Or two sequences would share a file.
        """
        for sample in data_samples:
            name, visible = sample['sequence_name'], sample['visible']
            instances = sample['pred_track_instances']
            prediction, ground_truth, _ = check_track(_to_numpy(instances['bboxes']), sample['gt_boxes'], visible, name)
            if self.folder is not None:
                if any(result['name'] == name for result in self.results):
                    raise ValueError(f'SOTMetric: two sequences are named {name!r}, so their results cannot both be '
                                     f'written to {self.outfile_prefix}')
                seconds = instances.get('seconds')
                self.folder.write(name, prediction, None if seconds is None else _to_numpy(seconds))
            score = None
            if not self.format_only and not sample.get('first_box_only', False):
                score = conventions.score_sequence(prediction, ground_truth, visible, sample['image_size'],
                                                   self.convention, self.benchmark, name)
            self.results.append(dict(name=name, score=score, attributes=sample.get('attributes'),
                                     annotation=hashlib.sha256(ground_truth.tobytes()).hexdigest()))

    @property
    def benchmark(self) -> str | None:
        """Name of the benchmark in the data set's ``metainfo``, or None."""
        return (self.dataset_meta or {}).get('benchmark')

    def evaluate(self, size: int) -> dict[str, float]:
        """Joins the results of all processes and computes the scores.

        Args:
            size: Number of sequences in the data set.

        Returns:
            The scores by prefixed name, the same in every process.

        Raises:
            ValueError: The number of sequences is not ``size``, or two share a name; the message names them.
            RuntimeError: The first process failed to compute the scores.
        """
        shares = all_gather_object(list(self.results))
        self.results.clear()
        results = self._join(shares, size)  # deterministic, so all processes agree or raise the same error
        outcome = [None]
        try:
            if is_main_process():
                metrics = self.compute_metrics(results)
                outcome = [{f'{self.prefix}/{key}' if self.prefix else key: value for key, value in metrics.items()}]
        finally:
            broadcast_object_list(outcome)  # the other processes wait for it even after an error here
        if outcome[0] is None:
            raise RuntimeError('SOTMetric: the first process failed to compute the scores; see its error')
        return outcome[0]

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Logs the table, writes the reports to ``report_dir``, and returns the scores of the whole set.

        Args:
            results: One dict per sequence, from all processes.

        Returns:
            ``success``, ``precision``, ``norm_precision`` in percent and ``ao``, ``sr50``, ``sr75`` as fractions, if
            the convention defines them; empty if there is nothing to score.
        """
        where = self.outfile_prefix or self.report_dir
        scored = [result for result in results if result['score'] is not None]
        if self.format_only:
            print_log(f'{len(results)} tracks are in {where}', logger='current')
            return {}
        unscored = ''
        if len(scored) < len(results):
            unscored = (f'{len(results) - len(scored)} of {len(results)} sequences have a public annotation only in '
                        "their first frame, so only the benchmark's server can score them; their tracks "
                        + (f'are in {where}' if where else 'were not written; set outfile_prefix to keep them'))
        if unscored and not scored:
            print_log(unscored, logger='current')
            return {}
        facts = self.dataset_meta or {}
        title = ' '.join(str(facts[key]) for key in ('benchmark', 'split') if facts.get(key))
        table = ScoreTable([result['score'] for result in scored], [result['attributes'] for result in scored],
                           self.convention, self.benchmark, title, unscored)
        print_log(table.text(), logger='current')  # before files are written, which can fail
        if self.report_dir is not None:
            files = ', '.join(str(path) for path in table.write(self.report_dir))
            print_log(f'written: {files}', logger='current')
        return table.summary

    def _join(self, shares: list[list[dict]], size: int) -> list[dict]:
        """Returns one result per sequence, in the expected order if known, otherwise sorted by name."""
        found: dict[str, dict] = {}
        for result in (result for share in shares for result in share):
            other = found.setdefault(result['name'], result)  # a padded sampler repeats sequences
            if other['annotation'] != result['annotation']:
                raise ValueError(f'SOTMetric: two sequences are named {result["name"]!r}; their results cannot be '
                                 'told apart')
        expected = sorted(found) if self.sequence_names is None else list(self.sequence_names)
        lacking, surplus = [name for name in expected if name not in found], sorted(found.keys() - expected)
        if lacking or surplus or len(found) != size:
            raise ValueError(f'SOTMetric: {len(found)} different sequences were scored, but there are {size}; missing: '
                             f'{_listing(lacking)}; unexpected: {_listing(surplus)}; scored by each process: '
                             f'{", ".join(str(len(share)) for share in shares)}')
        return [found[name] for name in expected]


def _to_numpy(values: torch.Tensor | np.ndarray) -> np.ndarray:
    return values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)


def _listing(names: Sequence[str]) -> str:
    return ', '.join(names[:10]) + (f' and {len(names) - 10} more' if len(names) > 10 else '') if names else '-'
