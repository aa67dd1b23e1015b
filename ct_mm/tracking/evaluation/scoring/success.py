"""One-pass evaluation as PyTracking and OSTrack compute it: success, precision and normalised precision.

The convention: frame 0 counts, with the ground truth as its prediction; a box covers whole pixels, so its last
pixel is at ``xy + wh - 1`` and its centre at ``xy + (wh - 1) / 2``; the normalised distance divides by the annotated
width and height; a zero-sized prediction repeats the box before it. What a frame without a visible object counts is up
to the benchmark, see :class:`~ct_mm.tracking.evaluation.scoring.absent_rule.AbsentRule`.

Sources: success and precision from Wu et al., "Online Object Tracking: A Benchmark", CVPR 2013; normalised precision
from Müller et al., "TrackingNet", ECCV 2018; details from PyTracking's ``calc_seq_err_robust``.
"""
from __future__ import annotations

import numpy as np

from ct_mm.tracking.evaluation.scoring.absent_rule import absent_rule
from ct_mm.tracking.evaluation.scoring.tracks import check_track, has_box, repeat_empty_boxes

OVERLAP_THRESHOLDS = np.arange(21) * 0.05  # IoU
DISTANCE_THRESHOLDS = np.arange(51)  # pixels
NORM_DISTANCE_THRESHOLDS = np.arange(51) / 100  # shares of the annotated width and height
THRESHOLDS = dict(success=OVERLAP_THRESHOLDS, precision=DISTANCE_THRESHOLDS, norm_precision=NORM_DISTANCE_THRESHOLDS)
#: Where the score is read off the two curves of precision: 20 pixels, 0.2 of the size.
PRECISION_INDEX = 20


def ope_errors(prediction: np.ndarray, ground_truth: np.ndarray, visible: np.ndarray | None = None,
               benchmark: str | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Overlap and centre distances of every frame of one sequence.

    Args:
        prediction: xywh, (T, 4), pixels.
        ground_truth: xywh, (T, 4), pixels.
        visible: (T,), whether the object is visible. Default: wherever the annotated box is valid.
        benchmark: Whose rule for frames without a visible object to follow. Default: they are misses.

    Returns:
        IoU (T,), centre distance in pixels (T,), and centre distance normalised by the annotated size (T,). Without a
        visible object the IoU is -1, which no threshold accepts; a distance is infinity for a miss and -1 for a hit.

    Raises:
        ValueError: The prediction does not fit the ground truth or holds an invalid box.
    """
    rule = absent_rule(benchmark)
    prediction, ground_truth, _ = check_track(prediction, ground_truth, visible)
    boxed = has_box(ground_truth)  # (T,)
    flagged = np.zeros(len(boxed), bool)  # (T,), called absent
    if rule.uses_flags:
        flagged = ~(boxed if visible is None else np.asarray(visible, bool))
    seen = boxed & ~flagged

    # In this order: what frame 0 predicts may be repeated before the ground truth takes its place.
    prediction = repeat_empty_boxes(prediction, ground_truth)
    prediction[0] = ground_truth[0]

    overlap, distance, norm_distance = -np.ones(len(seen)), np.full(len(seen), np.inf), np.full(len(seen), np.inf)
    overlap[seen] = pixel_ious(prediction[seen], ground_truth[seen])
    distance[seen], norm_distance[seen] = pixel_distances(prediction[seen], ground_truth[seen])
    for curve, error in (('precision', distance), ('norm_precision', norm_distance)):
        if curve in rule.flagged_hits:
            error[flagged] = -1
        if curve in rule.boxless_hits:
            error[~boxed & ~flagged] = -1
    return overlap, distance, norm_distance


def pixel_ious(predicted: np.ndarray, annotated: np.ndarray) -> np.ndarray:
    """IoU of xywh boxes (N, 4) that cover whole pixels, the annotated ones not empty; (N,)."""
    top_left = np.maximum(predicted[:, :2], annotated[:, :2])  # (N, 2), first pixel of the intersection
    bottom_right = np.minimum(predicted[:, :2] + predicted[:, 2:] - 1, annotated[:, :2] + annotated[:, 2:] - 1)
    intersection = np.clip(bottom_right - top_left + 1, 0, None).prod(axis=1)  # (N,)
    union = predicted[:, 2:].prod(axis=1) + annotated[:, 2:].prod(axis=1) - intersection  # (N,), > 0
    return intersection / union


def pixel_distances(predicted: np.ndarray, annotated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre distances of xywh boxes (N, 4): in pixels (N,), and in annotated widths and heights (N,)."""
    centre, true_centre = (boxes[:, :2] + (boxes[:, 2:] - 1) / 2 for boxes in (predicted, annotated))  # (N, 2)
    size = annotated[:, 2:]
    # The toolkits divide before they subtract, which may round a distance to the other side of a threshold.
    return np.linalg.norm(centre - true_centre, axis=1), np.linalg.norm(centre / size - true_centre / size, axis=1)


def draw_curves(errors: dict[str, np.ndarray], thresholds: dict[str, np.ndarray], length: int) -> dict[str, np.ndarray]:
    """How many frames pass each threshold, as a share of ``length``.

    Args:
        errors: (N,) by curve: the IoU for ``success``, which must exceed a threshold, and distances for the others,
            which must not.
        thresholds: (K,) by curve.
        length: What to divide by.

    Returns:
        (K,) by curve.
    """
    return {
        name: ((error[:, None] > thresholds[name]) if name == 'success' else
               (error[:, None] <= thresholds[name])).sum(axis=0) / length
        for name, error in errors.items()
    }


def ope_curves(prediction: np.ndarray, ground_truth: np.ndarray, visible: np.ndarray | None = None,
               benchmark: str | None = None) -> dict[str, np.ndarray]:
    """The three curves of one sequence, as fractions of all its frames.

    Args:
        prediction: xywh, (T, 4), pixels.
        ground_truth: xywh, (T, 4), pixels.
        visible: (T,), whether the object is visible. Default: wherever the annotated box is valid.
        benchmark: Whose rule for frames without a visible object to follow. Default: they are misses.

    Returns:
        ``success`` (21,): IoU > 0, 0.05 ... 1; ``precision`` (51,): distance <= 0 ... 50 pixels; ``norm_precision``
        (51,): normalised distance <= 0, 0.01 ... 0.5.

    Raises:
        ValueError: The prediction does not fit the ground truth or holds an invalid box.
    """
    errors = ope_errors(prediction, ground_truth, visible, benchmark)
    return draw_curves(dict(zip(THRESHOLDS, errors)), THRESHOLDS, len(errors[0]))


def ope_scores(prediction: np.ndarray, ground_truth: np.ndarray, visible: np.ndarray | None = None,
               benchmark: str | None = None) -> dict[str, float]:
    """The three numbers of one sequence, in percent; a benchmark reports their means over its sequences.

    Args:
        prediction: xywh, (T, 4), pixels.
        ground_truth: xywh, (T, 4), pixels.
        visible: (T,), whether the object is visible. Default: wherever the annotated box is valid.
        benchmark: Whose rule for frames without a visible object to follow. Default: they are misses.

    Returns:
        ``success``: area under the success curve; ``precision``: within 20 pixels; ``norm_precision``: within 0.2.

    Raises:
        ValueError: The prediction does not fit the ground truth or holds an invalid box.
    """
    return read_scores(ope_curves(prediction, ground_truth, visible, benchmark))


def read_scores(curves: dict[str, np.ndarray]) -> dict[str, float]:
    """The numbers that are read off curves, in percent: the area under success, the others at their one threshold."""
    return {name: 100 * float(curve.mean() if name == 'success' else curve[PRECISION_INDEX])
            for name, curve in curves.items()}
