"""Real crops on which a quantiser measures the ranges of activations."""
from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from mmengine.dataset import Compose

from ct_mm.package_files import resolve_path
from ct_mm.tracking.datasets.benchmarks import SequenceFolder
from ct_mm.tracking.datasets.reading import FrameFiles, FrameSequence, ImageFile
from ct_mm.tracking.datasets.reading.frame_files import IMAGE_SUFFIXES
from ct_mm.tracking.runtime.model_card import ModelCard
from ct_mm.tracking.runtime.tracking_loop import TrackingLoop
from ct_mm.tracking.transforms import CropPair

_LABEL_MAP = '_segments.png'


def calibration_crops(source: str | os.PathLike, card: ModelCard, count: int = 300,
                      seed: int = 0) -> Iterator[dict[str, np.ndarray]]:
    """Draws pairs of crops as the network sees them while tracking.

    From a sequence, the pair comes from a frame and a later one, and the search region is off the target by as much as
    in tracking. From a photograph, the target is a random box with a tenth to a half of the photograph's sides. Label
    maps next to their photographs (``NAME_segments.png`` next to ``NAME.jpg``) are skipped.

    Args:
        source: Folder of annotated sequences (``NAME/groundtruth.txt``), or of images, which may lie in subfolders.
        card: Card with the sizes and area factors of the crops.
        count: Number of pairs to draw.
        seed: Seed of the random choice.

    Yields:
        The inputs of the network by name, in the order of the card, with a batch of one. Several templates are the
        same one.

    Raises:
        FileNotFoundError: The folder does not exist, or holds neither sequences nor images.
        OSError: An image cannot be read.
        ValueError: No pair could be drawn.
    """
    rng = np.random.default_rng(seed)
    sequences = _sequences(Path(resolve_path(source)), rng)
    draw = Compose([dict(type='ct_mm.SamplePair'), dict(type='ct_mm.LoadPair')])
    around = CropPair(center_jitter=1.0, scale_jitter=0.1)
    loop = TrackingLoop(_Silent(card))
    drawn, refused = 0, 0
    while drawn < count:
        results = draw(dict(rng=rng, sequence=sequences[int(rng.integers(len(sequences)))]))
        sample = None if results is None else _inputs(loop, card, around, results)
        if sample is None:
            refused += 1
            if refused > 20 * (drawn + 5):
                raise ValueError(f'cannot draw pairs of crops from {source}: too few frames show the target')
            continue
        drawn += 1
        yield sample


class _Silent:
    """A session that only has a card. It prepares nothing: a network is quantised as a whole, templates included."""

    def __init__(self, card: ModelCard) -> None:
        self.card = card

    def prepare(self, inputs: dict) -> dict:
        return inputs


def _inputs(loop: TrackingLoop, card: ModelCard, around: CropPair, results: dict) -> dict[str, np.ndarray] | None:
    """Returns the inputs for a pair of frames, the search region jittered; None if the target is not in it."""
    shown, searched = (np.asarray(results[side]['bbox'], np.float64) for side in ('template', 'search'))
    first, frame = (np.asarray(results[side]['img']) for side in ('template', 'search'))
    if min(*shown[2:], *searched[2:]) <= 0:
        return None
    near = around.jitter(searched, results['rng'])
    centre = searched[:2] + searched[2:] / 2
    if min(near[2:]) < 1 or (centre < 0).any() or (centre >= frame.shape[1::-1]).any():
        return None
    state = loop.start(first, shown)
    crop, _ = card.geometry.search(frame, near, state.anchor)
    inputs = loop.inputs(state, crop)
    return {each.name: inputs[each.name] for each in card.inputs if each.role != 'prepared'}


def _sequences(folder: Path, rng: np.random.Generator) -> list[FrameSequence]:
    if not folder.is_dir():
        raise FileNotFoundError(f'calibration data folder {folder} does not exist (current folder: {Path.cwd()})')
    if any(folder.glob('*/groundtruth.txt')):
        dataset = SequenceFolder(folder)
        return [dataset.get_sequence(index) for index in range(len(dataset))]
    stills = []
    for place in sorted({folder, *(path for path in folder.rglob('*') if path.is_dir())}):
        files = FrameFiles.in_folder(place)
        stills += [_still(files[index], rng) for index in range(len(files)) if not _is_label_map(files[index])]
    if not stills:
        raise FileNotFoundError(f'{folder} holds neither sequences (NAME/groundtruth.txt) nor images for calibration')
    return stills


def _is_label_map(file: str) -> bool:
    """Returns whether a file is the label map of a photograph next to it, as :class:`SegmentFolder` reads them."""
    photograph = file.removesuffix(_LABEL_MAP)
    return photograph != file and any(Path(photograph + suffix).is_file() for suffix in IMAGE_SUFFIXES)


def _still(file: str, rng: np.random.Generator) -> FrameSequence:
    """Returns a photograph with a random box as a sequence of one frame."""
    height, width = ImageFile(file).shape[:2]
    w, h = rng.uniform(0.1, 0.5, 2) * (width, height)
    x, y = rng.uniform(0, 1, 2) * (width - w, height - h)
    return FrameSequence(Path(file).name, [file], np.array([[x, y, w, h]]), is_still=True)
