"""Writes the pairs of a training to files that ``PackedPairs`` reads."""
from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from ct_mm.engine.whole_file import remove_unfinished, whole_file, write_text
from ct_mm.registry import DATASETS

from .packed_pairs import INDEX_FILE, shard_names
from .pair_dataset import PairDataset

#: Transforms that a packed pair has not gone through: they are the reader's.
LEFT_TO_READER = ('ct_mm.PairBrightness', 'ct_mm.PackTrackInputs')


def pack_pairs(dataset: dict, folder: str | os.PathLike, pairs: int, workers: int = 1, pairs_per_shard: int = 1000,
               progress: Callable[[int], None] | None = None) -> int:
    """Makes the pairs of draws 0 to ``pairs`` of a ``PairDataset`` and writes their crops.

    Each shard appears whole or not at all; an interrupted call goes on with the shards that are missing. The outcome
    does not depend on the number of workers.

    Args:
        dataset: Config of the ``PairDataset``. ``PairBrightness`` and ``PackTrackInputs`` of its pipeline are left
            out.
        folder: Where to; made if missing.
        pairs: How many.
        workers: Processes.
        pairs_per_shard: Pairs of one set of files.
        progress: Called with the number of pairs done.

    Returns:
        Number of pairs that were made now; those already there are not counted.

    Raises:
        ValueError: The folder holds pairs made in another way.
    """
    folder = Path(folder)
    dataset = dict(dataset, pipeline=[step for step in dataset['pipeline'] if step['type'] not in LEFT_TO_READER])
    facts = dict(pairs=pairs, pairs_per_shard=pairs_per_shard, dataset=json.loads(json.dumps(dataset)))
    _claim(folder, facts)
    shards = range(-(-pairs // pairs_per_shard))
    tasks = [(number, min(pairs_per_shard, pairs - number * pairs_per_shard)) for number in shards
             if not all((folder / name).is_file() for name in shard_names(number))]
    done = 0
    # spawned, because a process that was forked beside the threads of PyTorch or OpenCV may wait for them for ever
    with multiprocessing.get_context('spawn').Pool(workers, _start, (dataset, folder, pairs_per_shard)) as pool:
        for made in pool.imap_unordered(_make_shard, tasks):
            done += made
            if progress is not None:
                progress(done)
    write_text(folder / INDEX_FILE, json.dumps(facts, indent=1))
    return done


def _claim(folder: Path, facts: dict) -> None:
    """Refuses a folder of other pairs."""
    claim = folder / f'making_{INDEX_FILE}'
    for file in (claim, folder / INDEX_FILE):
        if file.is_file():
            old = json.loads(file.read_text(encoding='utf-8'))
            differing = [key for key in facts if old[key] != facts[key]]
            if differing:
                raise ValueError(f'{folder} holds pairs of another {" and ".join(differing)}; name another folder or '
                                 'remove it')
    remove_unfinished(folder, '*.npy')
    write_text(claim, json.dumps(facts, indent=1))


def _start(dataset: dict, folder: Path, pairs_per_shard: int) -> None:
    global _work  # of a worker process: what all of its tasks share
    cv2.setNumThreads(0)
    _work = DATASETS.build(dataset), folder, pairs_per_shard


def _make_shard(task: tuple[int, int]) -> int:
    number, size = task
    dataset, folder, pairs_per_shard = _work
    made = [_finished(dataset, number * pairs_per_shard + place) for place in range(size)]
    arrays = (np.stack([np.asarray(pair[side]['img']) for pair in made]) for side in ('template', 'search'))
    boxes = np.stack([[pair[side]['bbox'] for side in ('template', 'search')] for pair in made]).astype(np.float32)
    for name, array in zip(shard_names(number), (*arrays, boxes)):
        with whole_file(folder / name) as unfinished, open(unfinished, 'wb') as file:
            np.save(file, array)
    return size


def _finished(dataset: PairDataset, draw: int) -> dict:
    pair = dataset[draw]
    if isinstance(pair['template'], list) or not {'template', 'search'} <= pair.keys():
        raise ValueError('pack_pairs: only pairs of one template and one search region can be packed')
    return pair
