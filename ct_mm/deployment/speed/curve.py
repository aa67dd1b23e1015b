"""Measures accuracy against speed of the hybrids of a trained student."""
from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config

from ct_mm.compression.distillation.replacement_distiller import ReplacementDistiller
from ct_mm.compression.export.hybrid import hybrid_depth, path_name, score_paths
from ct_mm.compression.export.student import export_student, save_student
from ct_mm.deployment.speed.student_config import example_batch
from ct_mm.engine.checkpoints.digest import digest_of_weights
from ct_mm.engine.whole_file import write_text
from ct_mm.tracking.datasets.reading import FrameSequence
from ct_mm.tracking.evaluation.scoring.got10k_toolkit import got10k_ious, got10k_scores
from ct_mm.tracking.evaluation.tracker_cost import network_cost
from ct_mm.tracking.inference import init_model
from ct_mm.tracking.models import BaseTracker


class Curve:
    """Accuracy and speed of the hybrids of a student, of its teacher and of other trackers, kept in ``curve.json``.

    The file is written after each tracker, and a tracker that is in it is not measured again.

    Args:
        folder: Folder of ``curve.json`` and of the exported hybrids, ``PATH/student.{py,pth}`` each.
        distiller: The distiller, with its teacher.
        cfg: Config of the compression.
        sequences: Annotated sequences.
        say: Called with a line for each tracker that was measured.

    Attributes:
        content (dict): What the file holds: ``about`` (digests of student and teacher, names of the sequences),
            ``trackers`` by name, and ``speed`` (how the times were measured). A tracker has ``kind`` (``hybrid``,
            ``teacher`` or ``other``), ``path`` for a hybrid, ``layers``, ``parameters``, ``macs``, ``ao`` over all
            frames as in GOT-10k, ``sequences`` (AO and number of scored frames of each) and ``ms`` (median time of a
            frame).

    Raises:
        ValueError: If the file was measured with other weights or sequences, or cannot be read.
    """

    def __init__(self, folder: str | os.PathLike, distiller: ReplacementDistiller, cfg: Config,
                 sequences: Sequence[FrameSequence], say: Callable[[str], object] = print) -> None:
        self.folder, self.distiller, self.cfg = Path(folder), distiller, cfg
        self.sequences, self.say, self.file = sequences, say, Path(folder, 'curve.json')
        about = dict(student=digest_of_weights(distiller.student.state_dict()),
                     teacher=digest_of_weights(distiller.teacher.state_dict()), sequences=[s.name for s in sequences])
        self.content: dict[str, Any] = dict(about=about, trackers={}, speed={})
        if self.file.is_file():
            self.content = read_curve(self.file)
            if self.content['about'] != about:
                raise ValueError(f'{self.file} was measured with other weights or sequences; choose another folder')

    def measure_paths(self, limit: int = 64) -> None:
        """Measures the accuracy of all paths, or of a greedy chain if there are more than ``limit``."""
        score_paths(self.distiller.divided.num_stages, self._measure_path, limit)

    def measure_teacher(self) -> None:
        """Measures the accuracy of the teacher."""
        self.measure('teacher', lambda: self.distiller.teacher, kind='teacher')

    def measure(self, name: str, build: Callable[[], BaseTracker], **facts: Any) -> dict:
        """Measures the accuracy of a tracker, unless that is done.

        Args:
            name: Its name in the file.
            build: Builds it.
            **facts: What else the file shall say about it.
        """
        if name not in self.content['trackers']:
            tracker = build().eval()
            cost, overlaps = network_cost(tracker), {}
            for sequence in self.sequences:
                boxes, _ = tracker.track_sequence(sequence)
                overlaps[sequence.name] = got10k_ious(boxes, sequence.boxes, sequence.image_size, sequence.visible)
            self.content['trackers'][name] = dict(
                facts, layers=cost.layers, parameters=cost.total.parameters, macs=cost.total.macs,
                ao=got10k_scores(np.concatenate(list(overlaps.values())))['ao'],
                sequences={key: dict(ao=float(values.mean()), frames=len(values))
                           for key, values in overlaps.items() if len(values)})
            self._write()
            self.say(f'{name}: {cost.layers} layers, AO {self.content["trackers"][name]["ao"]:.3f}')
        return self.content['trackers'][name]

    def measure_speed(self, others: Mapping[str, Callable[[], BaseTracker]], rounds: int = 40,
                      warm_up: int = 5) -> None:
        """Times a frame of every tracker in turn, unless all times are known: cropping, network, placing the box.

        Args:
            others: Builds each tracker that is neither a hybrid nor the teacher, by name.
            rounds: Measured frames of each tracker.
            warm_up: Frames of each tracker before them.
        """
        trackers = self.content['trackers']
        if all('ms' in tracker for tracker in trackers.values()):
            return
        built, seconds = {}, {name: [] for name in trackers}
        for name, facts in trackers.items():
            if facts['kind'] == 'other' and name not in others:
                raise ValueError(f'{self.file} holds {name}, whose time is not known: name it again, or choose another '
                                 f'folder')
            if facts['kind'] == 'hybrid':
                built[name] = init_model(*(str(self.folder / name / f'student.{end}') for end in ('py', 'pth')))
            else:
                built[name] = self.distiller.teacher if facts['kind'] == 'teacher' else others[name]()
        image = next(iter(self.sequences[0]))
        for tracker in built.values():
            tracker.eval().init(image, self.sequences[0].boxes[0])
        names = list(built)
        for number in range(warm_up + rounds):
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                began = time.perf_counter()
                built[name].track(image)
                seconds[name].append(time.perf_counter() - began)
        for name, times in seconds.items():
            trackers[name]['ms'] = 1e3 * float(np.median(times[warm_up:]))
        self.content['speed'] = dict(rounds=rounds, warm_up=warm_up, threads=torch.get_num_threads(),
                                     torch=torch.__version__, device='cpu')
        self._write()

    def _measure_path(self, path: tuple[bool, ...]) -> float:
        name = path_name(path)

        def build() -> BaseTracker:
            batch = example_batch(self.distiller.student)
            exported = export_student(self.distiller, self.cfg.model.model, batch, path)
            weights = self.folder / name / 'student.pth'
            save_student(exported, self.cfg, weights, path=name)
            return init_model(str(weights.with_suffix('.py')), str(weights))

        facts = dict(kind='hybrid', path=name, depth=hybrid_depth(self.distiller.divided, path))
        return self.measure(name, build, **facts)['ao']

    def _write(self) -> None:
        write_text(self.file, json.dumps(self.content, indent=1) + '\n')


def read_curve(file: str | os.PathLike) -> dict:
    """Reads ``curve.json``.

    Raises:
        ValueError: If it is not such a file.
    """
    try:
        content = json.loads(Path(file).read_text(encoding='utf-8'))
        trackers = [(t['ao'] + 0.0, t['kind'] + '', t.get('path', '') + '') for t in content['trackers'].values()]
        content['about']['sequences'], content['speed']
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise ValueError(f'{file} is not the curve.json of tools/analysis_tools/curve.py: {error!r}') from error
    if not all(0 <= ao <= 1 for ao, *_ in trackers):
        raise ValueError(f'{file} has an AO outside [0, 1]')
    return content


def best_hybrids(curve: Mapping) -> dict[int, str]:
    """Returns for each number of layers, in increasing order, the path with the highest AO."""
    best: dict[int, str] = {}
    for tracker in sorted(curve['trackers'].values(), key=lambda tracker: tracker['ao']):
        if tracker['kind'] == 'hybrid':
            best[tracker['depth']] = tracker['path']
    return dict(sorted(best.items()))
