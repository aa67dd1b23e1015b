"""Archives for benchmark servers that do not publish the annotation of their test set."""
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
    """Format of a server: a text file per sequence, comma-separated xywh in pixels, one row per frame.

    Attributes:
        title: Name for messages.
        sequences: Number of sequences in the test set.
        with_times: Whether the server needs, instead of ``NAME.txt``, a folder ``NAME/`` with ``NAME_001.txt`` (the
            first repetition, which suffices for a deterministic tracker) and ``NAME_time.txt`` (one row per frame with
            its seconds).
    """

    title: str
    sequences: int
    with_times: bool


#: Servers by name of the benchmark. Sources: the GOT-10k toolkit's ``ExperimentGOT10k``; ``metrics.py`` of
#: TrackingNet-devkit, which itself rounds all numbers to whole pixels.
SERVERS = dict(
    got10k_test=Server('GOT-10k', sequences=180, with_times=True),
    trackingnet=Server('TrackingNet', sequences=511, with_times=False))


def pack_submission(benchmark: str, dataset: SequenceDataset, folder: ResultFolder, path: str | os.PathLike) -> int:
    """Packs the complete tracks of a test set for its server.

    The same tracks always produce the same archive, byte for byte.

    Args:
        benchmark: A key of :data:`SERVERS`.
        dataset: The test set, which defines the sequences and their lengths.
        folder: Result folder with the tracks.
        path: Path of the ``.zip`` archive; an existing one is replaced.

    Returns:
        Number of frames in the archive.

    Raises:
        ValueError: The benchmark has no server, the data set is not its whole test set, or tracks or times are missing
            or damaged; the message lists up to ten faults.
    """
    if benchmark not in SERVERS:
        raise ValueError(f'there are servers for {" and ".join(SERVERS)}, but not for {benchmark!r}')
    server, path = SERVERS[benchmark], Path(path)
    if path.suffix != '.zip':
        raise ValueError(f'the name of the archive must end in .zip, not {path.name}')
    if len(dataset) != server.sequences:
        raise ValueError(f'the test set of {server.title} has {server.sequences} sequences, but {dataset.data_root} '
                         f'has {len(dataset)}; the server needs all of them')
    texts = _read_texts(server, dataset, folder)
    with whole_file(path) as unfinished, zipfile.ZipFile(unfinished, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(texts):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))  # the earliest date in the format
            entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
            archive.writestr(entry, texts[name])
    return int(np.sum(dataset.lengths))


def _read_texts(server: Server, dataset: SequenceDataset, folder: ResultFolder) -> dict[str, str]:
    """Returns the content of the archive by file name, or raises an error that lists all faults."""
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
        listing = '\n  '.join(faults[-10:])  # keep the last one, which lists the missing tracks
        raise ValueError(f'{folder.path} cannot be submitted to {server.title}:\n  {listing}{more}')
    return texts


def _read_times(folder: ResultFolder, name: str, length: int) -> np.ndarray:
    """Returns the seconds of each frame, (T,)."""
    file = folder.file_of(name).with_name(f'{name}_time.txt')
    if not file.is_file():
        raise FileNotFoundError(f'{file} is missing: the server needs the seconds of each frame, which the layout '
                                "'got10k' of a result folder stores")
    seconds = read_numbers(file, columns=1)[:, 0]
    if len(seconds) != length or not (np.isfinite(seconds) & (seconds >= 0)).all():
        raise ValueError(f'{file} must hold {length} finite, non-negative times, one for each frame; it holds '
                         f'{len(seconds)}')
    return seconds
