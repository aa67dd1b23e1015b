"""One-pass evaluation as PyTracking and OSTrack compute it: success, precision and normalised precision.

Frame 0 counts with the ground truth as its prediction. A box covers whole pixels, so its last pixel is at
``xy + wh - 1`` and its centre at ``xy + (wh - 1) / 2``. The normalised distance divides by the annotated width and
height. A zero-sized prediction is replaced by the previous box. The benchmark determines how frames without a visible
object count, see :class:`~ct_mm.tracking.evaluation.scoring.absent_rule.AbsentRule`.

Sources: success and precision from Wu et al., "Online Object Tracking: A Benchmark", CVPR 2013; normalised precision
from Müller et al., "TrackingNet", ECCV 2018; details from PyTracking's ``calc_seq_err_robust``.
"""
from __future__ import annotations

import numpy as np

from ct_mm.tracking.evaluation.scoring.absent_rule import absent_rule
from ct_mm.tracking.evaluation.scoring.tracks import check_track, has_box, repeat_empty_boxes

OVERLAP_THRESHOLDS = np.arange(21) * 0.05  # IoU
DISTANCE_THRESHOLDS = np.arange(51)  # pixels
NORM_DISTANCE_THRESHOLDS = np.arange(51) / 100  # fractions of the annotated width and height
THRESHOLDS = dict(success=OVERLAP_THRESHOLDS, precision=DISTANCE_THRESHOLDS, norm_precision=NORM_DISTANCE_THRESHOLDS)
#: Index of the score in both precision curves: 20 pixels, and 0.2 of the size.
PRECISION_INDEX = 20


def ope_errors(prediction: np.ndarray, ground_truth: np.ndarray, visible: np.ndarray | None = None,
               benchmark: str | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Computes overlaps and centre distances of every frame of a sequence.

    Args:
        prediction: Predicted boxes (T, 4), xywh in pixels.
        ground_truth: Annotated boxes (T, 4), xywh in pixels.
        visible: Whether the object is visible in each frame, (T,). Default: wherever the annotated box is valid.
        benchmark: Benchmark whose rule for frames without a visible object applies. Default: they are misses.

    Returns:
        IoU (T,), centre distance in pixels (T,), and centre distance normalised by the annotated size (T,). For frames
        without a visible object the IoU is -1, below all thresholds; a distance is infinite for a miss, -1 for a hit.

    Raises:
        ValueError: The prediction does not match the ground truth or holds an invalid box.
    """
    rule = absent_rule(benchmark)
    prediction, ground_truth, _ = check_track(prediction, ground_truth, visible)
    boxed = has_box(ground_truth)  # (T,)
    flagged = np.zeros(len(boxed), bool)  # (T,), flagged absent
    if rule.uses_flags:
        flagged = ~(boxed if visible is None else np.asarray(visible, bool))
    seen = boxed & ~flagged

    # The order matters: frame 1 may repeat the prediction of frame 0 before the ground truth replaces it.
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
    """Returns the IoU of xywh boxes (N, 4) that cover whole pixels, (N,); annotated boxes must not be empty."""
    top_left = np.maximum(predicted[:, :2], annotated[:, :2])  # (N, 2), first pixel of the intersection
    bottom_right = np.minimum(predicted[:, :2] + predicted[:, 2:] - 1, annotated[:, :2] + annotated[:, 2:] - 1)
    intersection = np.clip(bottom_right - top_left + 1, 0, None).prod(axis=1)  # (N,)
    union = predicted[:, 2:].prod(axis=1) + annotated[:, 2:].prod(axis=1) - intersection  # (N,), > 0
    return intersection / union


def pixel_distances(predicted: np.ndarray, annotated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the centre distances of xywh boxes (N, 4) in pixels (N,) and in annotated widths and heights (N,)."""
    centre, true_centre = (boxes[:, :2] + (boxes[:, 2:] - 1) / 2 for boxes in (predicted, annotated))  # (N, 2)
    size = annotated[:, 2:]
    # Divide before subtracting like the toolkits; the other order can round a distance across a threshold.
    return np.linalg.norm(centre - true_centre, axis=1), np.linalg.norm(centre / size - true_centre / size, axis=1)


def draw_curves(errors: dict[str, np.ndarray], thresholds: dict[str, np.ndarray], length: int) -> dict[str, np.ndarray]:
    """Counts the frames that pass each threshold and divides by ``length``.

    Args:
        errors: Errors of the frames (N,) by curve: for ``success`` IoUs, which must exceed the threshold, for the
            others distances, which must not.
        thresholds: Thresholds (K,) by curve.
        length: Divisor of the counts.

    Returns:
        Fractions (K,) by curve.
    """
    return {name: (error[:, None] > thresholds[name] if name == 'success' else
                   error[:, None] <= thresholds[name]).sum(axis=0) / length for name, error in errors.items()}


def ope_curves(prediction: np.ndarray, ground_truth: np.ndarray, visible: np.ndarray | None = None,
               benchmark: str | None = None) -> dict[str, np.ndarray]:
    """Computes the three curves of a sequence, as fractions of all its frames.

    Args:
        prediction: Predicted boxes (T, 4), xywh in pixels.
        ground_truth: Annotated boxes (T, 4), xywh in pixels.
        visible: Whether the object is visible in each frame, (T,). Default: wherever the annotated box is valid.
        benchmark: Benchmark whose rule for frames without a visible object applies. Default: they are misses.

    Returns:
        ``success`` (21,): IoU > 0, 0.05 ... 1; ``precision`` (51,): distance <= 0 ... 50 pixels; ``norm_precision``
        (51,): normalised distance <= 0, 0.01 ... 0.5.

    Raises:
        ValueError: The prediction does not match the ground truth or holds an invalid box.
    """
    errors = ope_errors(prediction, ground_truth, visible, benchmark)
    return draw_curves(dict(zip(THRESHOLDS, errors)), THRESHOLDS, len(errors[0]))


def ope_scores(prediction: np.ndarray, ground_truth: np.ndarray, visible: np.ndarray | None = None,
               benchmark: str | None = None) -> dict[str, float]:
    """Computes the three scores of a sequence in percent; a benchmark reports their means over sequences.

    Args:
        prediction: Predicted boxes (T, 4), xywh in pixels.
        ground_truth: Annotated boxes (T, 4), xywh in pixels.
        visible: Whether the object is visible in each frame, (T,). Default: wherever the annotated box is valid.
        benchmark: Benchmark whose rule for frames without a visible object applies. Default: they are misses.

    Returns:
        ``success``, the area under the success curve; ``precision`` within 20 pixels; ``norm_precision`` within 0.2.

    Raises:
        ValueError: The prediction does not match the ground truth or holds an invalid box.
    """
    return read_scores(ope_curves(prediction, ground_truth, visible, benchmark))


def read_scores(curves: dict[str, np.ndarray]) -> dict[str, float]:
    """Reads the scores off curves, in percent: the area under success, the others at their threshold."""
    return {name: 100 * float(curve.mean() if name == 'success' else curve[PRECISION_INDEX])
            for name, curve in curves.items()}
