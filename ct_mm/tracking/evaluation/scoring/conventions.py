"""Scoring conventions by name. They differ in the scored frames, the geometry of boxes, the thresholds and the mean.

============================  ============================================================================
``pytracking`` (the default)  PyTracking's one-pass evaluation as OSTrack and most papers since use it.
``pytracking_visible``        PyTracking's evaluation as it is today: outside LaSOT and UAV123, curves are divided
                              by the number of frames with a visible object.
``lasot``                     The MATLAB toolkit of LaSOT (TNL2K's is a copy).
``got10k``                    The GOT-10k toolkit's report on GOT-10k: one curve over all frames of all sequences.
``got10k_otb``                The same toolkit's report on OTB, NfS and UAV123.
============================  ============================================================================

Average overlap and success rates are GOT-10k's in all conventions. The details are documented in ``success.py``,
``absent_rule.py``, ``lasot_toolkit.py`` and ``got10k_toolkit.py``; ``docs/evaluation.md`` compares the conventions.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ct_mm.tracking.evaluation.scoring import got10k_toolkit, success
from ct_mm.tracking.evaluation.scoring.absent_rule import ABSENT_RULES, absent_rule
from ct_mm.tracking.evaluation.scoring.lasot_toolkit import lasot_errors
from ct_mm.tracking.evaluation.scoring.sequence_score import SequenceScore
from ct_mm.tracking.evaluation.scoring.tracks import check_track, has_box

_OTB_THRESHOLDS = {name: success.THRESHOLDS[name] for name in ('success', 'precision')}
#: Benchmarks for which PyTracking still divides by the number of all frames.
_OVER_ALL_FRAMES = ('lasot', 'uav123')


@dataclass(frozen=True)
class Convention:
    """A way to score tracks.

    Attributes:
        name: Name of the convention.
        title: Short description for reports.
        thresholds: Thresholds (K,) by curve.
        errors: Takes ``(prediction, ground_truth, visible, image_size, benchmark)`` and returns the errors of the
            frames by curve (see :func:`~ct_mm.tracking.evaluation.scoring.success.draw_curves`) and the number by which
            the curves are divided.
        absent: Takes the name of a benchmark and describes how frames without a visible object count.
        pools_frames: Whether the curves of a set of sequences are computed over all frames, instead of averaged over
            sequences.
        drops_empty: Whether a sequence whose curve is zero everywhere is excluded from the mean.
    """

    name: str
    title: str
    thresholds: dict[str, np.ndarray]
    errors: Callable[..., tuple[dict[str, np.ndarray], int]]
    absent: Callable[[str | None], str]
    pools_frames: bool = False
    drops_empty: bool = False

    def describe(self, benchmark: str | None = None) -> str:
        """Describes the rules that apply to a benchmark, for reports."""
        return (f'{", ".join(self.thresholds)}: {self.title} (convention {self.name!r}); {self.absent(benchmark)}. '
                'ao, sr50, sr75: GOT-10k toolkit, over the visible frames after the first of all sequences.')


def _pytracking(prediction, ground_truth, visible, image_size, benchmark):
    errors = success.ope_errors(prediction, ground_truth, visible, benchmark)
    return dict(zip(success.THRESHOLDS, errors)), len(prediction)


def _pytracking_visible(prediction, ground_truth, visible, image_size, benchmark):
    errors, length = _pytracking(prediction, ground_truth, visible, image_size, benchmark)
    if benchmark not in _OVER_ALL_FRAMES:
        length = int((errors['success'] != -1).sum())  # -1: no visible object; frame 0 always has one
    return errors, length


def _lasot(prediction, ground_truth, visible, image_size, benchmark):
    errors = lasot_errors(prediction, ground_truth, visible)
    return dict(zip(success.THRESHOLDS, errors)), len(prediction)


def _got10k(prediction, ground_truth, visible, image_size, benchmark):
    ious = got10k_toolkit.got10k_ious(prediction, ground_truth, image_size, visible)
    return dict(success=ious), max(len(ious), 1)


def _got10k_otb(prediction, ground_truth, visible, image_size, benchmark):
    errors = got10k_toolkit.otb_errors(prediction, ground_truth, benchmark)
    return dict(zip(_OTB_THRESHOLDS, errors)), len(errors[0])


def _absent_by_rule(benchmark: str | None) -> str:
    known = f'rule of {benchmark}' if benchmark in ABSENT_RULES else 'no benchmark-specific rule'
    return f'{absent_rule(benchmark).describe()} ({known})'


def _absent_in_current_rule(benchmark: str | None) -> str:
    visible = 'the frames with a visible object, so that fractions can exceed 1'
    return f'{_absent_by_rule(benchmark)}; over {"all frames" if benchmark in _OVER_ALL_FRAMES else visible}'


_TABLE = {convention.name: convention for convention in (
    Convention('pytracking', "PyTracking's and OSTrack's one-pass evaluation", success.THRESHOLDS, _pytracking,
               _absent_by_rule),
    Convention('pytracking_visible', "PyTracking's one-pass evaluation as it is now", success.THRESHOLDS,
               _pytracking_visible, _absent_in_current_rule),
    Convention('lasot', 'LaSOT evaluation toolkit', success.THRESHOLDS, _lasot, lambda benchmark: (
        'a frame flagged absent is a miss; otherwise, a box not above zero in all of x, y, width and height is a miss '
        'in success, a hit in precision and normalised precision'), drops_empty=True),
    Convention('got10k', 'GOT-10k toolkit on GOT-10k, over all frames of all sequences',
               dict(success=got10k_toolkit.OVERLAP_THRESHOLDS), _got10k, lambda benchmark: (
                   'the first frame and frames without a visible object do not count'), pools_frames=True),
    Convention('got10k_otb', 'GOT-10k toolkit on OTB, NfS and UAV123', _OTB_THRESHOLDS, _got10k_otb, lambda benchmark: (
        f'a frame without a box {"does not count" if benchmark == "uav123" else "is a miss"}')))}


def names() -> list[str]:
    """Returns the names of all conventions, the default first."""
    return list(_TABLE)


def get(name: str) -> Convention:
    """Returns a convention by name.

    Raises:
        ValueError: The name is unknown.
    """
    if name not in _TABLE:
        raise ValueError(f'convention must be one of {", ".join(_TABLE)}, not {name!r}')
    return _TABLE[name]


def score_sequence(prediction: np.ndarray, ground_truth: np.ndarray, visible: np.ndarray | None = None,
                   image_size: tuple[int, int] | None = None, convention: str = 'pytracking',
                   benchmark: str | None = None, name: str | None = None) -> SequenceScore:
    """Scores one track.

    Args:
        prediction: Predicted boxes (T, 4), xywh in pixels.
        ground_truth: Annotated boxes (T, 4), xywh in pixels; NaN or a size of zero if there is no object.
        visible: Whether the object is visible in each frame, (T,). Default: wherever the annotated box is valid.
        image_size: Width and height in pixels, to which GOT-10k's overlaps clip boxes. Default: no clipping.
        convention: Name of a convention. Default: ``'pytracking'``.
        benchmark: Benchmark whose rule for frames without a visible object applies. Default: none.
        name: Name of the sequence for messages.

    Returns:
        The scores and curves.

    Raises:
        ValueError: The convention is unknown, or the prediction does not match the ground truth or holds an invalid
            box; the message names the sequence and the frame.

    Examples:
        >>> boxes = np.array([[10., 10, 20, 20], [12, 10, 20, 20]])
        >>> score_sequence(boxes, boxes).numbers()['precision']
        100.0
    """
    chosen = get(convention)
    prediction, ground_truth, _ = check_track(prediction, ground_truth, visible, name)
    visible = has_box(ground_truth) if visible is None else np.asarray(visible, bool)
    errors, length = chosen.errors(prediction, ground_truth, visible, image_size, benchmark)
    ious = got10k_toolkit.got10k_ious(prediction, ground_truth, image_size, visible)
    return SequenceScore(name, len(prediction), success.draw_curves(errors, chosen.thresholds, length), ious)


def mean_curves(scores: Sequence[SequenceScore], convention: str = 'pytracking') -> dict[str, np.ndarray]:
    """Averages the curves of a set of sequences.

    Args:
        scores: Scores from :func:`score_sequence` in the same convention, at least one.
        convention: Name of the convention.

    Returns:
        Fractions (K,) by curve.

    Raises:
        ValueError: The convention is unknown, or there are no scores.
    """
    chosen = get(convention)
    if not scores:
        raise ValueError('there is no sequence to score')
    curves = {}
    for name in chosen.thresholds:
        rows = np.stack([score.curves[name] for score in scores])  # (S, K)
        weights = np.ones(len(rows))
        if chosen.pools_frames:
            weights = np.array([len(score.ious) for score in scores])
        elif chosen.drops_empty:
            weights = rows.any(axis=1).astype(float)
        curves[name] = weights @ rows / max(weights.sum(), 1)
    return curves


def summarize(scores: Sequence[SequenceScore], convention: str = 'pytracking') -> dict[str, float]:
    """Computes the numbers that a benchmark reports for a set of sequences.

    Args:
        scores: Scores from :func:`score_sequence` in the same convention, at least one.
        convention: Name of the convention.

    Returns:
        ``success``, ``precision`` and ``norm_precision`` in percent, if the convention defines them; ``ao``, ``sr50``
        and ``sr75`` as fractions, if any frame counts for them.

    Raises:
        ValueError: The convention is unknown, or there are no scores.
    """
    numbers = success.read_scores(mean_curves(scores, convention))
    ious = np.concatenate([score.ious for score in scores])
    return {**numbers, **(got10k_toolkit.got10k_scores(ious) if len(ious) else {})}
