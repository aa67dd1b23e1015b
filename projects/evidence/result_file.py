"""The results of a scale as one file, from which the page is written."""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from controls import CONTROLS
from intervals import Interval, bootstrap_ratio
from rows import ROWS

from ct_mm.engine.whole_file import write_text
from ct_mm.tracking.datasets.benchmarks import SequenceFolder
from ct_mm.tracking.evaluation.reports.result_tables import number


def collect(folder: Path, sequences: str, file: Path) -> None:
    """Writes what run.py left in the folder of a scale to one file, which is small enough to commit.

    Args:
        folder: Folder of the scale.
        sequences: Folder of the test sequences.
        file: The file to write.

    Raises:
        FileNotFoundError: If there is no result of a teacher.
    """
    found, runs = {}, {}
    for path in sorted(folder.glob('*/seed*/results.json')):
        name = path.parent.parent.name
        found.setdefault(name, []).append(json.loads(path.read_text(encoding='utf-8')))
        run = path.with_name('run.json')
        if run.is_file() and name not in runs:
            runs[name] = json.loads(run.read_text(encoding='utf-8'))
    if 'teacher' not in found:
        raise FileNotFoundError(f'{folder} has no results of a teacher: run run.py first')
    dataset = SequenceFolder(sequences)
    frames = {s.name: int(s.visible[1:].sum()) for s in map(dataset.get_sequence, range(len(dataset)))}
    speed = folder / 'speed.json'
    speed = json.loads(speed.read_text(encoding='utf-8')) if speed.is_file() else dict(ratios={})
    write_text(file, json.dumps(dict(frames=frames, found=found, runs=runs, speed=speed), indent=1) + '\n')


class Results:
    """The results of one scale.

    Args:
        file: What :func:`collect` wrote.
    """

    def __init__(self, file: Path) -> None:
        content = json.loads(file.read_text(encoding='utf-8'))
        self.found, self.runs, self.speed = content['found'], content['runs'], content['speed']
        self.frames, self.note = content['frames'], content.get('note', '')

    def scores(self, name: str, key: str) -> np.ndarray:
        """A score of all seeds (N,)."""
        return np.array([result['all'].get(key, result.get(key)) for result in self.found[name]])

    def mean(self, name: str, key: str = 'ao') -> float:
        """Its mean over the seeds."""
        return float(self.scores(name, key).mean())

    def spread(self, name: str, key: str, form: str) -> str:
        """Mean, and the smallest and largest where there are several seeds."""
        values = self.scores(name, key)
        text = number(values.mean(), form)
        return text if len(values) == 1 else f'{text} ({values.min():{form}} to {values.max():{form}})'

    def retained(self, name: str) -> Interval:
        """The part of the teacher's AO that a tracker retains, with its interval over seeds and sequences."""
        overlaps = [np.array([[seed['sequences'][s]['ao'] for s in self.frames] for seed in self.found[tracker]])
                    for tracker in (name, 'teacher')]
        return bootstrap_ratio(*overlaps, np.array(list(self.frames.values())))

    def titles(self) -> dict[str, str]:
        """Titles of everything that was measured: the teacher, the rows, the controls."""
        known = dict(teacher='teacher', **{row.name: row.title for row in ROWS}, **CONTROLS)
        return {name: title for name, title in known.items() if name in self.found}

    def best_on_validation(self) -> str | None:
        """The four-layer student with the highest mean overlap on validation pairs, which no test score decides."""
        students = [row.name for row in ROWS if row.name in self.found and row.group in ('rivals', 'ideas', 'long')
                    and all('pair_iou' in seed for seed in self.found[row.name])]
        return max(students, key=lambda name: self.mean(name, 'pair_iou'), default=None)
