"""The metric of single-object tracking; its keys follow mmtracking 1.x."""
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
    """Scores whole tracks and prints a table: all sequences, each attribute, and, if they are few, each sequence.

    * ``sot/success``, ``sot/precision``, ``sot/norm_precision``: percent, one-pass evaluation in the convention asked
      for (area under the success curve, 20 pixels, 0.2 of the annotated size). ``'got10k'`` has the first only,
      ``'got10k_otb'`` the first two.
    * ``sot/ao``, ``sot/sr50``, ``sot/sr75``: fractions, GOT-10k's convention over all frames of all sequences.

    What frames without a visible object count in PyTracking's convention is up to the benchmark, which the data set
    names in its ``metainfo`` (``benchmark``); without a name they are misses. The table says which rule applied.

    It reads ``sequence_name``, ``gt_boxes``, ``visible``, ``image_size`` and ``pred_track_instances.bboxes`` of every
    sample, and ``attributes`` and ``first_box_only`` if they are there. Sequences whose annotation a server keeps
    (``first_box_only``) are not scored; if there are no others, the metric returns nothing and says where the tracks
    are.

    Results of several processes are joined by the name of the sequence, so their shares may be unequal or overlap.

    Args:
        outfile_prefix: Folder for one text file per sequence, see :class:`ResultFolder`; a file appears as soon as its
            sequence is done. Default: nothing is written. (``ct_mm.SequenceTestLoop`` writes the tracks by itself.)
        format_only: Only write the files and compute nothing, for benchmarks with a server. Needs
            ``outfile_prefix``. Default: False.
        collect_device: Not used, since results are small; as in MMEngine. Default: ``'cpu'``.
        prefix: Put before the keys. Default: ``'sot'``.
        collect_dir: Not used; as in MMEngine.
        convention: Name of a scoring convention, see :mod:`~ct_mm.tracking.evaluation.scoring.conventions`. Default:
            ``'pytracking'``.
        layout: Layout of ``outfile_prefix``, ``'plain'`` or ``'got10k'``, which needs
            ``pred_track_instances.seconds``. Default: ``'plain'``.

    Attributes:
        report_dir: Folder for ``scores.md`` and ``scores.csv``, None for none; the test loop sets it.
        sequence_names: Names of all sequences expected, for the order of the table and the error about one that lacks;
            None if unknown.

    Raises:
        ValueError: ``format_only`` is set without ``outfile_prefix``, or there is no such convention or layout.
    """

    default_prefix = 'sot'

    def __init__(self, outfile_prefix: str | None = None, format_only: bool = False, collect_device: str = 'cpu',
                 prefix: str | None = None, collect_dir: str | None = None, convention: str = 'pytracking',
                 layout: str = 'plain') -> None:
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        if format_only and outfile_prefix is None:
            raise ValueError('SOTMetric: format_only=True writes result files only, so outfile_prefix must name a '
                             'folder for them')
        self.convention = conventions.get(convention).name
        self.outfile_prefix = outfile_prefix
        self.folder = None if outfile_prefix is None else ResultFolder(outfile_prefix, layout)
        self.format_only = format_only
        self.report_dir: str | None = None
        self.sequence_names: Sequence[str] | None = None

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
            instances = sample['pred_track_instances']
            prediction = _to_numpy(instances['bboxes'])
            prediction, ground_truth, _ = check_track(prediction, sample['gt_boxes'], visible, name)
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
            self.results.append(
                dict(
                    name=name,
                    score=score,
                    attributes=sample.get('attributes'),
                    annotation=hashlib.sha256(ground_truth.tobytes()).hexdigest()))

    @property
    def benchmark(self) -> str | None:
        """What the data set says it is, None if it says nothing."""
        return (self.dataset_meta or {}).get('benchmark')

    def evaluate(self, size: int) -> dict[str, float]:
        """Joins the results of all processes and computes the scores.

        Args:
            size: Number of sequences in the data set.

        Returns:
            The scores by name with the prefix, the same in every process.

        Raises:
            ValueError: There are not ``size`` sequences, or two of one name; the message names them.
        """
        shares = all_gather_object(list(self.results))
        self.results.clear()
        results = self._join(shares, size)  # the same in every process, and so is an error
        outcome = [None]
        try:
            if is_main_process():
                metrics = self.compute_metrics(results)
                outcome = [{f'{self.prefix}/{key}' if self.prefix else key: value for key, value in metrics.items()}]
        finally:
            broadcast_object_list(outcome)  # the others wait for it, whatever went wrong here
        if outcome[0] is None:
            raise RuntimeError('SOTMetric: the first process could not compute the scores; its error says why')
        return outcome[0]

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Prints the table, writes the reports if there is a place for them, and returns the scores of the whole set.

        Args:
            results: One dict per sequence, of all processes.

        Returns:
            ``success``, ``precision``, ``norm_precision`` in percent and ``ao``, ``sr50``, ``sr75`` as fractions, as
            far as the convention has them; empty if nothing is to be scored.
        """
        where = self.outfile_prefix or self.report_dir
        scored = [result for result in results if result['score'] is not None]
        if self.format_only:
            print_log(f'{len(results)} tracks are in {where}', logger='current')
            return {}
        unscored = ''
        if len(scored) < len(results):
            unscored = (f'{len(results) - len(scored)} of {len(results)} sequences are annotated in their first frame '
                        "only, so that nothing but the benchmark's server can score them; their tracks "
                        + (f'are in {where}' if where else 'were not written, set outfile_prefix to have them'))
        if unscored and not scored:
            print_log(unscored, logger='current')
            return {}
        facts = self.dataset_meta or {}
        title = ' '.join(str(facts[key]) for key in ('benchmark', 'split') if facts.get(key))
        table = ScoreTable([result['score'] for result in scored], [result['attributes'] for result in scored],
                           self.convention, self.benchmark, title, unscored)
        print_log(table.text(), logger='current')  # first, so that it is seen where the folder cannot be written to
        if self.report_dir is not None:
            files = ', '.join(str(path) for path in table.write(self.report_dir))
            print_log(f'written: {files}', logger='current')
        return table.summary

    def _join(self, shares: list[list[dict]], size: int) -> list[dict]:
        """One result per sequence: in the order expected, if it is known, else by name."""
        found: dict[str, dict] = {}
        for result in (result for share in shares for result in share):
            other = found.setdefault(result['name'], result)  # a padded sampler repeats sequences
            if other['annotation'] != result['annotation']:
                raise ValueError(f'SOTMetric: two sequences are named {result["name"]!r}; their results cannot be told '
                                 'apart')
        expected = sorted(found) if self.sequence_names is None else list(self.sequence_names)
        lacking, surplus = [name for name in expected if name not in found], sorted(found.keys() - expected)
        if lacking or surplus or len(found) != size:
            raise ValueError(f'SOTMetric: {len(found)} different sequences were scored, but there are {size}; lacking: '
                             f'{_listing(lacking)}; not expected: {_listing(surplus)}; scored by each process: '
                             f'{", ".join(str(len(share)) for share in shares)}')
        return [found[name] for name in expected]


def _to_numpy(values: torch.Tensor | np.ndarray) -> np.ndarray:
    return values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)


def _listing(names: Sequence[str]) -> str:
    return ', '.join(names[:10]) + (f' and {len(names) - 10} more' if len(names) > 10 else '') if names else '-'
