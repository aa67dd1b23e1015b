"""Compares trackers at the end of training."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from ct_mm.package_files import resolve_path
from ct_mm.registry import DATASETS, HOOKS
from ct_mm.tracking.datasets.reading import FrameSequence
from ct_mm.tracking.evaluation.reports.tracker_report import check_video_of, write_report
from ct_mm.tracking.inference import init_model
from ct_mm.tracking.visualization.video_writer import import_ffmpeg

_WORK_DIR = '{work_dir}'


@HOOKS.register_module()
class TrackerReportHook(Hook):
    """Compares plain trackers on annotated sequences after training and writes a report to the work dir.

    The report folder holds ``report.md`` and ``report.csv`` (layers, parameters, operations, time, average overlap and
    success of each tracker) and one video per sequence with the boxes drawn in. The table is also logged at the very
    end. The hook runs only in the first process.

    All paths may begin with ``ct_mm::``, which stands for the package's folder. Files outside the work dir, the
    sequences and the video encoder are checked before training starts.

    Args:
        trackers: Maps names to ``dict(config=..., checkpoint=...)``, the paths of a plain tracker's config and weights.
            Speeds are given relative to the first tracker. ``{work_dir}`` at the beginning of a path stands for the
            work dir of the run.
        data_root: Folder of the sequences, short for ``dataset=dict(type='ct_mm.SequenceFolder', data_root=...)``.
        dataset: Config of a dataset of sequences. Give either this or ``data_root``.
        video_of: Names of the trackers to draw; an empty list writes no videos. Default: all.
        folder: Name of the report folder inside the work dir. Defaults to ``'report'``.

    Raises:
        ValueError: If an argument is missing or contradicts another; the message names it.
    """

    priority = 'VERY_LOW'  # runs after ct_mm.StudentExportHook, which writes the student

    def __init__(self, trackers: dict, data_root: str | None = None, dataset: dict | None = None,
                 video_of: Sequence[str] | None = None, folder: str = 'report') -> None:
        if (data_root is None) == (dataset is None):
            raise ValueError('TrackerReportHook: give exactly one of data_root and dataset')
        if not trackers:
            raise ValueError('TrackerReportHook: trackers is empty; it needs name=dict(config=..., checkpoint=...)')
        for name, files in trackers.items():
            if not isinstance(files, dict) or set(files) != {'config', 'checkpoint'}:
                raise ValueError(f'TrackerReportHook: trackers.{name} must be dict(config=..., checkpoint=...), not '
                                 f'{files!r}')
        self.trackers = {name: dict(files) for name, files in trackers.items()}
        self.dataset = dict(type='ct_mm.SequenceFolder', data_root=data_root) if dataset is None else dict(dataset)
        self.video_of = check_video_of(trackers, video_of)
        self.folder = folder

    @master_only
    def before_train(self, runner: Runner) -> None:
        """Checks all files that must already exist, so that a typing error does not surface after training.

        Raises:
            FileNotFoundError: If a file outside the work dir, or a sequence, does not exist.
            ImportError: If videos are wanted and cannot be written.
        """
        for name, files in self.trackers.items():
            for key, path in files.items():
                if not str(path).startswith(_WORK_DIR) and '://' not in str(path):
                    if not Path(resolve_path(path)).is_file():
                        raise FileNotFoundError(f'TrackerReportHook: trackers.{name}.{key}={path} does not exist '
                                                f'(current folder: {Path.cwd()})')
        if self.video_of:
            import_ffmpeg()
        self._sequences()

    @master_only
    def after_train(self, runner: Runner) -> None:
        """Writes the report and logs its table."""
        sequences = self._sequences()
        device = next(runner.model.parameters()).device
        print_log(f'comparing {", ".join(self.trackers)} on {", ".join(sequence.name for sequence in sequences)} ...',
                  'current')
        trackers = {name: init_model(*(self._path(files[key], runner) for key in ('config', 'checkpoint')), device)
                    for name, files in self.trackers.items()}
        _, text = write_report(trackers, sequences, Path(runner.work_dir) / self.folder, self.video_of)
        print_log(f'\n\n{text}\n', 'current')

    def _sequences(self) -> list[FrameSequence]:
        dataset = DATASETS.build(self.dataset)
        return [dataset.get_sequence(index) for index in range(len(dataset))]

    @staticmethod
    def _path(path: str, runner: Runner) -> str:
        path = str(path)
        if path.startswith(_WORK_DIR):
            path = str(runner.work_dir) + path[len(_WORK_DIR):]
        return resolve_path(path)
