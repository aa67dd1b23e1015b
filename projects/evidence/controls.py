"""What a tracker must beat: controls that reveal flaws in the measurement, and peers whose tracks lie with the data."""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from ct_mm.engine.whole_file import write_text
from ct_mm.tracking.datasets.reading import FrameSequence
from ct_mm.tracking.evaluation.results.result_folder import ResultFolder
from ct_mm.tracking.inference import init_model

from measure import score_tracks  # isort: skip

#: What each control does, for the report.
CONTROLS = dict(
    static='a box that never moves',
    centre='the teacher, blind: its box at the centre of the search region, whatever its score map says',
    untrained='the copied layers before any training',
    csrt='CSRT (OpenCV)',
    nanotrack_v2='NanoTrack v2 (OpenCV)')


def run_controls(out: Path, sequences: list[FrameSequence], root: Path, config: Path, checkpoint: Path,
                 device: str) -> None:
    """Tracks and scores every control without results; peers only where their tracks exist.

    Args:
        out: Folder of the scale.
        sequences: Annotated sequences.
        root: Their folder.
        config: Config of the teacher.
        checkpoint: Its weights.
        device: Where it runs.
    """
    for name in CONTROLS:
        folder = out / name / 'seed0'
        if name == 'untrained' or (folder / 'results.json').is_file():
            continue
        if name == 'static':
            tracks = {sequence.name: np.repeat(sequence.boxes[:1], len(sequence), axis=0) for sequence in sequences}
        elif name == 'centre':
            tracker = init_model(config, checkpoint, device)
            tracker.head.register_forward_hook(
                lambda _head, _inputs, maps: dict(maps, score_map=torch.ones_like(maps['score_map'])))
            tracks = {sequence.name: tracker.track_sequence(sequence)[0] for sequence in sequences}
        else:
            files = {sequence.name: root / sequence.name / f'track_{name}.txt' for sequence in sequences}
            if not all(file.is_file() for file in files.values()):
                continue
            tracks = {name: np.loadtxt(file, delimiter=',') for name, file in files.items()}
        results = ResultFolder(folder / 'tracks')
        for sequence, track in tracks.items():
            results.write(sequence, track)
        write_text(folder / 'results.json', json.dumps(score_tracks(tracks, sequences), indent=1))
