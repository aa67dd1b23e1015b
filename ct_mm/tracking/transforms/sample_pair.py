"""SamplePair: chooses the frames of a sequence that form a training pair."""
import numpy as np

from ct_mm.registry import TRANSFORMS

from .pair_sides import PairTransform


@TRANSFORMS.register_module()
class SamplePair(PairTransform):
    """Draws template frames and a search frame, all with the target visible.

    By default, the search frame comes last. The template frame is drawn uniformly from the visible frames that are
    followed by a visible frame within ``max_gap``. The search frame is drawn uniformly from those following frames.
    Further templates are drawn, with replacement, from the visible frames within ``max_gap`` before the template frame.
    A photograph (``is_still``) always yields its only frame.

    This is the causal sampling of PyTracking and OSTrack (``lib/train/data/sampler.py``), with three differences:

    * If no visible frame follows a template frame, they draw again with a gap wider by 5 frames. Here such frames are
      not candidates, and a sequence without candidates is skipped.
    * They exclude the last frame of the gap.
    * They require at least 20 frames in a video, and more than ``2 * (templates + 1)`` visible ones. Here
      ``min_frames`` and ``min_visible`` set these limits, so that you can train on your own short clips.

    With ``causal=False`` all frames are drawn, with replacement, from the visible frames within ``max_gap`` of a base
    frame, which is drawn uniformly from the visible frames. They are sorted in time, forwards or backwards with equal
    probability, and the last one is the search frame. Source: SUTrack (arXiv 2412.19138), its authors' code.

    Reads ``rng`` and ``sequence`` (a ``FrameSequence``). Adds ``frame_ids``: the templates in temporal order, then the
    search frame. Returns None, so that another sequence is drawn, if the sequence has no such frames.

    Args:
        max_gap: Largest distance in frames. Defaults to 200.
        num_templates: Number of template frames. Defaults to 1.
        min_frames: Videos with fewer frames are skipped. Defaults to 2.
        min_visible: Videos with fewer visible frames are skipped. Defaults to 2.
        causal: Whether the search frame comes after the templates. Defaults to True.
    """

    def __init__(self, max_gap: int = 200, num_templates: int = 1, min_frames: int = 2, min_visible: int = 2,
                 causal: bool = True) -> None:
        self.max_gap, self.num_templates = max_gap, num_templates
        self.min_frames, self.min_visible = min_frames, min_visible
        for name, value in vars(self).items():
            if value < 1:
                raise ValueError(f'SamplePair: {name} must be at least 1, got {value}')
        self.causal = causal

    def transform(self, results: dict) -> dict | None:
        """Adds ``frame_ids``."""
        sequence, rng = results['sequence'], results['rng']
        visible = np.flatnonzero(sequence.visible)  # (V,) frame numbers
        if sequence.is_still:
            results['frame_ids'] = (0, ) * (self.num_templates + 1)
            return results if len(visible) else None
        if len(sequence) < self.min_frames or len(visible) < self.min_visible:
            return None
        results['frame_ids'] = self._draw(visible, rng) if self.causal else self._draw_around(visible, rng)
        return results if results['frame_ids'] else None

    def _draw(self, visible: np.ndarray, rng: np.random.Generator) -> tuple[int, ...]:
        """Draws frames forwards in time; returns none if no frame has another one within the gap."""
        # Frame numbers are sorted, so the candidates after visible[i] are visible[i + 1:end[i]].
        end = np.searchsorted(visible, visible + self.max_gap, side='right')  # (V,)
        usable = end > np.arange(len(visible)) + 1
        if self.num_templates > 1:  # the candidates before visible[i] are visible[begin[i]:i]
            begin = np.searchsorted(visible, visible - self.max_gap)  # (V,)
            usable &= begin < np.arange(len(visible))
        starts = np.flatnonzero(usable)
        if not len(starts):
            return ()
        first = int(starts[rng.integers(len(starts))])
        second = int(rng.integers(first + 1, end[first]))
        earlier = rng.integers(begin[first], first, self.num_templates - 1) if self.num_templates > 1 else []
        return tuple(int(visible[i]) for i in (*np.sort(earlier).astype(int), first, second))

    def _draw_around(self, visible: np.ndarray, rng: np.random.Generator) -> tuple[int, ...]:
        """Draws frames around a base frame, sorted forwards or backwards in time."""
        base = visible[rng.integers(len(visible))]
        near = visible[np.abs(visible - base) <= self.max_gap]  # (V',), with the base frame
        frames = np.sort(near[rng.integers(len(near), size=self.num_templates + 1)])
        return tuple(int(frame) for frame in (frames if rng.random() < 0.5 else frames[::-1]))
