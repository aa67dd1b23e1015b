"""Ends a training with a comparison of trackers."""
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
    """Compares plain trackers on annotated sequences after training and leaves a report in the work dir.

    The folder holds ``report.md`` and ``report.csv`` (layers, parameters, operations, time, average overlap and
    success of each tracker) and one video for each sequence with the boxes drawn in. The table is the last thing in
    the log. It runs in the first process only.

    All paths may begin with ``ct_mm::``, which means inside the package. Files that do not lie in the work dir, the
    sequences and the video encoder are checked before the training starts.

    Args:
        trackers: By name ``dict(config=..., checkpoint=...)``, paths of a plain tracker's config and weights; the
            first is the one that the speeds are compared with. ``{work_dir}`` at the beginning of a path stands for
            the work dir of the run.
        data_root: Folder of the sequences, short for ``dataset=dict(type='ct_mm.SequenceFolder', data_root=...)``.
        dataset: Config of a dataset of sequences. Give this or ``data_root``.
        video_of: Names of the trackers to draw; an empty list writes no videos. Default: all.
        folder: Where to, in the work dir.

    Raises:
        ValueError: If an argument is missing or contradicts another; the message names it.
    """

    priority = 'VERY_LOW'  # after ct_mm.StudentExportHook has written what is compared

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
        """Looks for everything that must be there already, so that no training ends in a typing error.

        Raises:
            FileNotFoundError: If a file outside the work dir, or a sequence, does not exist.
            ImportError: If videos are wanted and cannot be written.
        """
        for name, files in self.trackers.items():
            for key, path in files.items():
                if not str(path).startswith(_WORK_DIR) and '://' not in str(path):
                    if not Path(resolve_path(path)).is_file():
                        raise FileNotFoundError(f'TrackerReportHook: trackers.{name}.{key}={path} does not exist (seen '
                                                f'from {Path.cwd()})')
        if self.video_of:
            import_ffmpeg()
        self._sequences()

    @master_only
    def after_train(self, runner: Runner) -> None:
        """Writes the report and prints its table."""
        sequences = self._sequences()
        device = next(runner.model.parameters()).device
        print_log(f'comparing {", ".join(self.trackers)} on {", ".join(sequence.name for sequence in sequences)} ...',
                  'current')
        trackers = {
            name: init_model(self._path(files['config'], runner), self._path(files['checkpoint'], runner), device)
            for name, files in self.trackers.items()
        }
        _, text = write_report(trackers, sequences, Path(runner.work_dir) / self.folder, self.video_of)
        print_log(f'\n\n{text}\n', 'current')

    def _sequences(self) -> list[FrameSequence]:
        settings = dict(self.dataset)
        if settings.get('data_root') is not None:
            settings['data_root'] = resolve_path(settings['data_root'])
        dataset = DATASETS.build(settings)
        return [dataset.get_sequence(index) for index in range(len(dataset))]

    @staticmethod
    def _path(path: str, runner: Runner) -> str:
        path = str(path)
        if path.startswith(_WORK_DIR):
            path = str(runner.work_dir) + path[len(_WORK_DIR):]
        return resolve_path(path)
