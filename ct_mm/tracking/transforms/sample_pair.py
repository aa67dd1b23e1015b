"""SamplePair: which two frames of a sequence become a training pair."""
import numpy as np
from mmcv.transforms import BaseTransform

from ct_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class SamplePair(BaseTransform):
    """Draws a template frame and a later search frame, both with the target visible.

    The template frame is uniform over the visible frames that have a visible frame within the next ``max_gap``, the
    search frame uniform over those (causal sampling of the OSTrack recipe). A photograph (``is_still``) gives its one
    frame twice.

    Reads ``rng`` and ``sequence`` (a ``FrameSequence``); adds ``frame_ids``, (template, search). Returns None, so
    that another sequence is drawn, if the sequence has no such two frames.

    Args:
        max_gap: Largest distance in frames. Defaults to 200.
    """

    def __init__(self, max_gap: int = 200) -> None:
        if max_gap < 1:
            raise ValueError(f'SamplePair: max_gap must be at least 1, got {max_gap}')
        self.max_gap = max_gap

    def transform(self, results: dict) -> dict | None:
        """Adds ``frame_ids``."""
        sequence, rng = results['sequence'], results['rng']
        visible = np.flatnonzero(sequence.visible)  # (V,) frame numbers
        if sequence.is_still:
            results['frame_ids'] = (0, 0)
            return results if len(visible) else None
        # Since frame numbers are sorted, the candidates after visible[i] are visible[i + 1:end[i]].
        end = np.searchsorted(visible, visible + self.max_gap, side='right')  # (V,)
        starts = np.flatnonzero(end > np.arange(len(visible)) + 1)
        if not len(starts):
            return None
        first = int(rng.choice(starts))
        second = int(rng.integers(first + 1, end[first]))
        results['frame_ids'] = (int(visible[first]), int(visible[second]))
        return results

    def __repr__(self) -> str:
        return f'SamplePair(max_gap={self.max_gap})'
