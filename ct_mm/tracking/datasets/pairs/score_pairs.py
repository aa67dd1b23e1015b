"""ScorePairs: draws pairs with and without the target, to train a head that tells them apart."""
import logging

import numpy as np
from mmengine.logging import print_log

from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.reading import FrameSequence
from ct_mm.tracking.datasets.reading.frame_sequence import boxes_have_area
from ct_mm.tracking.transforms.load_pair import LoadPair


@DATASETS.register_module()
class ScorePairs:
    """A source of pairs for ``PairDataset``: two templates, and a search frame that may lack the target.

    The first template and the search frame are drawn uniformly from the visible frames of a video, in any order. The
    online template is any frame within ``max_gap`` of the search frame on the template's side, whether it shows the
    target or not. For a negative, the search frame is one of the same video without the target, cut around the middle
    of the image with a box of an eighth of its sides; a video that always shows its target takes a visible frame of
    another one around that one's target. If there is no other, it gives no negatives, and a warning says so. A
    photograph is both templates and, if positive, the search frame.

    Adds ``score`` to the pair: 1 if the target is in the search frame, else 0. Source: the training of the score head
    of MixFormerV2 (arXiv 2305.15896), its authors' code.

    Args:
        dataset: Config of a dataset with ``get_sequence(i) -> FrameSequence``, such as ``ct_mm.SequenceFolder``.
        max_gap: Largest distance between the online template and the search frame, in frames. Defaults to 200.
        negatives: Share of pairs without the target. Defaults to 0.5.
        min_frames: Videos with fewer frames are skipped. Defaults to 2.
        min_visible: Videos with fewer visible frames are skipped. Defaults to 2.
        partial: Whether to decode only the part of a frame that the crop needs. Defaults to True.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(self, dataset: dict, max_gap: int = 200, negatives: float = 0.5, min_frames: int = 2,
                 min_visible: int = 2, partial: bool = True) -> None:
        if max_gap < 1 or min(min_frames, min_visible) < 1 or not 0 <= negatives <= 1:
            raise ValueError(f'ScorePairs: max_gap={max_gap}, min_frames={min_frames} and min_visible={min_visible} '
                             f'must be at least 1, and negatives={negatives} in [0, 1]')
        self.dataset, self._load = DATASETS.build(dataset), LoadPair(partial)
        self.max_gap, self.negatives = max_gap, negatives
        self.min_frames, self.min_visible, self._told = min_frames, min_visible, False

    def draw_pair(self, rng: np.random.Generator) -> dict | None:
        """Returns one pair in the format of ``LoadPair``, or None if the drawn sequence has no suitable frames."""
        number = int(rng.integers(len(self.dataset)))
        sequence = self.dataset.get_sequence(number)
        visible = np.flatnonzero(sequence.visible)  # (V,) frame numbers
        too_short = len(sequence) < self.min_frames or len(visible) < self.min_visible
        if not len(visible) or too_short and not sequence.is_still:
            return None
        negative = bool(rng.random() < self.negatives)
        absent = np.flatnonzero(~sequence.visible)
        template = int(visible[rng.integers(len(visible))])
        searched = absent if negative and len(absent) else visible
        search = int(searched[rng.integers(len(searched))])
        frames = template, self._online(sequence, template, search, rng), search
        results = self._load(dict(rng=rng, sequence=sequence, frame_ids=frames))
        first, online = results['template']
        _give_box(online)
        if negative and len(absent):
            _give_box(results['search'], anyway=True)
        elif negative:
            other = self._another(number, rng)
            if other is None:
                return None
            results['search'] = other
            results['source'][-1] = other['source']
        return dict(results, score=0.0 if negative else 1.0)

    def _online(self, sequence: FrameSequence, template: int, search: int, rng: np.random.Generator) -> int:
        """Draws the frame of the online template between the search frame and ``max_gap`` on the template's side."""
        if template <= search:
            first, last = max(search - self.max_gap, 0), max(search - 1, 0)
        else:
            first, last = search + 1, min(search + self.max_gap, len(sequence) - 1)
        return int(rng.integers(first, last + 1))

    def _another(self, number: int, rng: np.random.Generator) -> dict | None:
        """Returns a frame of another sequence around its own target."""
        if len(self.dataset) < 2:
            self._tell_lack()
            return None
        other = self.dataset.get_sequence((number + 1 + int(rng.integers(len(self.dataset) - 1))) % len(self.dataset))
        visible = np.flatnonzero(other.visible)
        if not len(visible):
            return None
        frame = int(visible[rng.integers(len(visible))])
        return self._load(dict(sequence=other, frame_ids=(frame, frame)))['search']


    def _tell_lack(self) -> None:
        if not self._told:
            print_log('ScorePairs: the only sequence shows its target in every frame, so no pair lacks the target',
                      'current', logging.WARNING)
        self._told = True


def _give_box(side: dict, anyway: bool = False) -> None:
    """Puts a box of an eighth of its sides in the middle of an image that has none."""
    if anyway or not boxes_have_area(side['bbox'][None])[0]:
        height, width = side['img'].shape[:2]
        side['bbox'] = np.array([width * 7 / 16, height * 7 / 16, width / 8, height / 8])
