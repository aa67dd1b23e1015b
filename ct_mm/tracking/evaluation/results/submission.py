"""Archives for the servers that keep the annotation of a test set to themselves."""
from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ct_mm.engine.whole_file import whole_file
from ct_mm.tracking.datasets.benchmarks.sequence_dataset import SequenceDataset
from ct_mm.tracking.datasets.reading.annotation_io import read_numbers
from ct_mm.tracking.evaluation.results.result_folder import ResultFolder
from ct_mm.tracking.evaluation.results.saved_tracks import describe_missing


@dataclass(frozen=True)
class Server:
    """What a server takes: a text file per sequence, xywh in pixels separated by commas, one row per frame.

    Attributes:
        title: Name for messages.
        sequences: How many sequences its test set has.
        with_times: Whether each sequence has a folder ``NAME/`` with ``NAME_001.txt`` (001: the first repetition, the
            only one of a deterministic tracker) and ``NAME_time.txt`` (seconds of each frame, one a row), instead of
            ``NAME.txt``.
    """

    title: str
    sequences: int
    with_times: bool


#: By name of the benchmark. Sources: the GOT-10k toolkit's ``ExperimentGOT10k``; ``metrics.py`` of TrackingNet-devkit,
#: which rounds all numbers to whole pixels by itself.
SERVERS = dict(
    got10k_test=Server('GOT-10k', sequences=180, with_times=True),
    trackingnet=Server('TrackingNet', sequences=511, with_times=False))


def pack_submission(benchmark: str, dataset: SequenceDataset, folder: ResultFolder, path: str | os.PathLike) -> int:
    """Packs the tracks of a test set for its server, if they are complete.

    The same tracks always make the same archive, byte for byte.

    Args:
        benchmark: One of :data:`SERVERS`.
        dataset: The test set, which says what sequences there are and how long they are.
        folder: The tracks.
        path: The archive, ``.zip``; an earlier one is replaced.

    Returns:
        Number of frames packed.

    Raises:
        ValueError: There is no server for the benchmark, the data set is not its whole test set, or tracks or times are
            missing or damaged; the message names them all, up to ten.
    """
    if benchmark not in SERVERS:
        raise ValueError(f'there is a server for {" and ".join(SERVERS)}, but none for {benchmark!r}')
    server, path = SERVERS[benchmark], Path(path)
    if path.suffix != '.zip':
        raise ValueError(f'the name of the archive must end in .zip, not {path.name}')
    if len(dataset) != server.sequences:
        raise ValueError(f'the test set of {server.title} has {server.sequences} sequences, but in {dataset.data_root} '
                         f'there are {len(dataset)}; the server scores all of them')
    texts = _read_texts(server, dataset, folder)
    with whole_file(path) as unfinished, zipfile.ZipFile(unfinished, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(texts):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))  # the earliest that the format knows
            entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
            archive.writestr(entry, texts[name])
    return int(np.sum(dataset.lengths))


def _read_texts(server: Server, dataset: SequenceDataset, folder: ResultFolder) -> dict[str, str]:
    """The files of the archive by name, or an error that names all that is wrong."""
    texts, missing, faults = {}, [], []
    for name, length in zip(dataset.names, dataset.lengths):
        try:
            boxes = folder.read(name, int(length))
            if boxes is None:
                missing.append(name)
                continue
            seconds = _read_times(folder, name, int(length)) if server.with_times else None
        except (FileNotFoundError, ValueError) as error:
            faults.append(str(error))
            continue
        inner = f'{name}/{name}_001.txt' if server.with_times else f'{name}.txt'
        texts[inner] = ''.join(','.join(f'{value:.4f}' for value in box) + '\n' for box in boxes)
        if seconds is not None:
            texts[f'{name}/{name}_time.txt'] = ''.join(f'{value:.8f}\n' for value in seconds)
    if missing:
        faults.append(describe_missing(folder, missing, dataset.names))
    if faults:
        more = f'\n  and {len(faults) - 10} more' if len(faults) > 10 else ''
        listing = '\n  '.join(faults[-10:])  # the missing ones, which count for many, come last
        raise ValueError(f'{folder.path} cannot be submitted to {server.title}:\n  {listing}{more}')
    return texts


def _read_times(folder: ResultFolder, name: str, length: int) -> np.ndarray:
    """Seconds of each frame, (T,)."""
    file = folder.file_of(name).with_name(f'{name}_time.txt')
    if not file.is_file():
        raise FileNotFoundError(f'{file} is missing: the seconds of each frame, which the server asks for and the '
                                "layout 'got10k' of a result folder keeps")
    seconds = read_numbers(file, columns=1)[:, 0]
    if len(seconds) != length or not (np.isfinite(seconds) & (seconds >= 0)).all():
        raise ValueError(f'{file} must hold {length} times, one for each frame, finite and not below zero; it holds '
                         f'{len(seconds)}')
    return seconds
