"""Writes training pairs to files that ``PackedPairs`` reads."""
from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from ct_mm.engine.whole_file import remove_unfinished, write_text
from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.reading.mapped_arrays import save_array

from .packed_pairs import INDEX_FILE, shard_names

#: Transforms that are not applied before packing, but when the pairs are read.
LEFT_TO_READER = ('ct_mm.PairBrightness', 'ct_mm.TemplateMask', 'ct_mm.PackTrackInputs')


def pack_pairs(dataset: dict, folder: str | os.PathLike, pairs: int, workers: int = 1, pairs_per_shard: int = 1000,
               progress: Callable[[int], None] | None = None) -> int:
    """Makes the first ``pairs`` draws of a ``PairDataset`` and writes their crops.

    Each file appears complete or not at all. Call the function again after an interruption to make only the missing
    shards. The result does not depend on the number of workers.

    Args:
        dataset: Config of the ``PairDataset``. ``PairBrightness`` and ``PackTrackInputs`` are removed from its
            pipeline.
        folder: Output folder; created if it does not exist.
        pairs: Number of pairs.
        workers: Number of processes. Defaults to 1.
        pairs_per_shard: Number of pairs in one shard. Defaults to 1000.
        progress: Called with the number of pairs made so far.

    Returns:
        Number of pairs made by this call, without those that already existed.

    Raises:
        ValueError: The folder holds pairs made with other settings, or a pair has several templates.
    """
    folder = Path(folder)
    dataset = dict(dataset, pipeline=[step for step in dataset['pipeline'] if step['type'] not in LEFT_TO_READER])
    facts = dict(pairs=pairs, pairs_per_shard=pairs_per_shard, dataset=json.loads(json.dumps(dataset)))
    _claim(folder, facts)
    shards = range(-(-pairs // pairs_per_shard))
    tasks = [(number, min(pairs_per_shard, pairs - number * pairs_per_shard)) for number in shards
             if not all((folder / name).is_file() for name in shard_names(number))]
    done = 0
    # Processes are spawned, because a process forked while PyTorch or OpenCV threads run may wait for them forever.
    with multiprocessing.get_context('spawn').Pool(workers, _start, (dataset, folder, pairs_per_shard)) as pool:
        for made in pool.imap_unordered(_make_shard, tasks):
            done += made
            if progress is not None:
                progress(done)
    write_text(folder / INDEX_FILE, json.dumps(facts, indent=1))
    return done


def _claim(folder: Path, facts: dict) -> None:
    """Marks the folder as being filled with these pairs, or raises an error if it holds others."""
    claim = folder / f'making_{INDEX_FILE}'
    for file in (claim, folder / INDEX_FILE):
        if file.is_file():
            old = json.loads(file.read_text(encoding='utf-8'))
            differing = [key for key in facts if old[key] != facts[key]]
            if differing:
                raise ValueError(f'{folder} holds pairs made with another value of {" and ".join(differing)}; choose '
                                 'another folder or remove this one')
    remove_unfinished(folder, '*.npy')
    write_text(claim, json.dumps(facts, indent=1))


def _start(dataset: dict, folder: Path, pairs_per_shard: int) -> None:
    global _work  # of a worker process; shared by all of its tasks
    cv2.setNumThreads(0)
    _work = DATASETS.build(dataset), folder, pairs_per_shard


def _make_shard(task: tuple[int, int]) -> int:
    number, size = task
    dataset, folder, pairs_per_shard = _work
    made = [dataset[number * pairs_per_shard + place] for place in range(size)]
    if any(isinstance(pair['template'], list) for pair in made):
        raise ValueError('pack_pairs: only pairs of one template and one search region can be packed')
    arrays = (np.stack([np.asarray(pair[side]['img']) for pair in made]) for side in ('template', 'search'))
    boxes = np.stack([[pair[side]['bbox'] for side in ('template', 'search')] for pair in made]).astype(np.float32)
    for name, array in zip(shard_names(number), (*arrays, boxes)):
        save_array(folder / name, array)
    return size
