"""SamplePair: which frames of a sequence become a training pair."""
import numpy as np
from mmcv.transforms import BaseTransform

from ct_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class SamplePair(BaseTransform):
    """Draws template frames and a later search frame, all with the target visible.

    The template frame is uniform over the visible frames that have a visible frame within the next ``max_gap``, the
    search frame uniform over those. Further templates are drawn, with replacement, from the visible frames within the
    ``max_gap`` before the template frame. A photograph (``is_still``) gives its one frame each time.

    This is the causal sampling of PyTracking, from which OSTrack has it (``lib/train/data/sampler.py``). There, a
    template frame without a later visible one is drawn anew with a gap that is 5 frames wider; here, frames that leave
    none are not candidates, and a sequence without candidates is passed over. There, the last frame of the gap is left
    out. There, a video has at least 20 frames, and more than ``2 * (templates + 1)`` of them visible; here that is what
    ``min_frames`` and ``min_visible`` are for, because short clips of one's own are worth training on.

    Reads ``rng`` and ``sequence`` (a ``FrameSequence``); adds ``frame_ids``, the templates in order of time, the search
    frame last. Returns None, so that another sequence is drawn, if the sequence has no such frames.

    Args:
        max_gap: Largest distance in frames. Defaults to 200.
        num_templates: Number of template frames. Defaults to 1.
        min_frames: Videos of fewer frames are passed over. Defaults to 2.
        min_visible: So are videos of fewer visible frames. Defaults to 2.
    """

    def __init__(self, max_gap: int = 200, num_templates: int = 1, min_frames: int = 2, min_visible: int = 2) -> None:
        for name, value in (('max_gap', max_gap), ('num_templates', num_templates), ('min_frames', min_frames),
                            ('min_visible', min_visible)):
            if value < 1:
                raise ValueError(f'SamplePair: {name} must be at least 1, got {value}')
        self.max_gap, self.num_templates = max_gap, num_templates
        self.min_frames, self.min_visible = min_frames, min_visible

    def transform(self, results: dict) -> dict | None:
        """Adds ``frame_ids``."""
        sequence, rng = results['sequence'], results['rng']
        visible = np.flatnonzero(sequence.visible)  # (V,) frame numbers
        if sequence.is_still:
            results['frame_ids'] = (0, ) * (self.num_templates + 1)
            return results if len(visible) else None
        if len(sequence) < self.min_frames or len(visible) < self.min_visible:
            return None
        # Since frame numbers are sorted, the candidates after visible[i] are visible[i + 1:end[i]].
        end = np.searchsorted(visible, visible + self.max_gap, side='right')  # (V,)
        usable = end > np.arange(len(visible)) + 1
        if self.num_templates > 1:  # those before it are visible[begin[i]:i]
            begin = np.searchsorted(visible, visible - self.max_gap)  # (V,)
            usable &= begin < np.arange(len(visible))
        starts = np.flatnonzero(usable)
        if not len(starts):
            return None
        first = int(starts[rng.integers(len(starts))])
        second = int(rng.integers(first + 1, end[first]))
        earlier = rng.integers(begin[first], first, self.num_templates - 1) if self.num_templates > 1 else []
        results['frame_ids'] = tuple(int(visible[i]) for i in (*np.sort(earlier).astype(int), first, second))
        return results

    def __repr__(self) -> str:
        return (f'SamplePair(max_gap={self.max_gap}, num_templates={self.num_templates}, '
                f'min_frames={self.min_frames}, min_visible={self.min_visible})')
