"""One-pass evaluation as PyTracking and OSTrack compute it: success, precision and normalised precision.

The convention: frame 0 counts, with the ground truth as its prediction; a box covers whole pixels, so its last
pixel is at ``xy + wh - 1`` and its centre at ``xy + (wh - 1) / 2``; the normalised distance divides by the annotated
width and height; a zero-sized prediction repeats the box before it. A frame without a visible object is a miss in all
three curves (the rule for LaSOT; for other benchmarks PyTracking counts it as a hit in normalised precision).

Sources: success and precision from Wu et al., "Online Object Tracking: A Benchmark", CVPR 2013; normalised precision
from Müller et al., "TrackingNet", ECCV 2018; details from PyTracking's ``calc_seq_err_robust``.
"""
from __future__ import annotations

import numpy as np

from ct_mm.tracking.evaluation.tracks import check_track

OVERLAP_THRESHOLDS = np.arange(21) * 0.05  # IoU
DISTANCE_THRESHOLDS = np.arange(51)  # pixels
NORM_DISTANCE_THRESHOLDS = np.arange(51) / 100  # shares of the annotated width and height


def ope_errors(prediction: np.ndarray,
               ground_truth: np.ndarray,
               visible: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Overlap and centre distances of every frame of one sequence.

    Args:
        prediction: xywh, (T, 4), pixels.
        ground_truth: xywh, (T, 4), pixels.
        visible: (T,), whether the object is visible. Default: wherever the annotated box is valid.

    Returns:
        IoU (T,), centre distance in pixels (T,), and centre distance normalised by the annotated size (T,). Without a
        visible object they are -1, infinity and infinity, which no threshold accepts.

    Raises:
        ValueError: The prediction does not fit the ground truth or holds an invalid box.
    """
    prediction, ground_truth, valid = check_track(prediction, ground_truth, visible)
    overlap, distance, norm_distance = -np.ones(len(valid)), np.full(len(valid), np.inf), np.full(len(valid), np.inf)

    prediction[0] = ground_truth[0]
    for frame in range(1, len(prediction)):
        if (prediction[frame, 2:] == 0).any():
            prediction[frame] = prediction[frame - 1]
    predicted, annotated = prediction[valid], ground_truth[valid]  # (V, 4), (V, 4)

    top_left = np.maximum(predicted[:, :2], annotated[:, :2])  # (V, 2), first pixel of the intersection
    bottom_right = np.minimum(predicted[:, :2] + predicted[:, 2:] - 1, annotated[:, :2] + annotated[:, 2:] - 1)
    intersection = np.clip(bottom_right - top_left + 1, 0, None).prod(axis=1)  # (V,)
    union = predicted[:, 2:].prod(axis=1) + annotated[:, 2:].prod(axis=1) - intersection  # (V,), > 0
    overlap[valid] = intersection / union

    shift = (predicted[:, :2] + (predicted[:, 2:] - 1) / 2) - (annotated[:, :2] + (annotated[:, 2:] - 1) / 2)  # (V, 2)
    distance[valid] = np.linalg.norm(shift, axis=1)
    norm_distance[valid] = np.linalg.norm(shift / annotated[:, 2:], axis=1)
    return overlap, distance, norm_distance


def ope_curves(prediction: np.ndarray,
               ground_truth: np.ndarray,
               visible: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """The three curves of one sequence, as fractions of all its frames.

    Args:
        prediction: xywh, (T, 4), pixels.
        ground_truth: xywh, (T, 4), pixels.
        visible: (T,), whether the object is visible. Default: wherever the annotated box is valid.

    Returns:
        ``success`` (21,): IoU > 0, 0.05 ... 1; ``precision`` (51,): distance <= 0 ... 50 pixels; ``norm_precision``
        (51,): normalised distance <= 0, 0.01 ... 0.5.

    Raises:
        ValueError: The prediction does not fit the ground truth or holds an invalid box.
    """
    overlap, distance, norm_distance = ope_errors(prediction, ground_truth, visible)
    return dict(
        success=(overlap[:, None] > OVERLAP_THRESHOLDS).mean(axis=0),
        precision=(distance[:, None] <= DISTANCE_THRESHOLDS).mean(axis=0),
        norm_precision=(norm_distance[:, None] <= NORM_DISTANCE_THRESHOLDS).mean(axis=0))


def ope_scores(prediction: np.ndarray,
               ground_truth: np.ndarray,
               visible: np.ndarray | None = None) -> dict[str, float]:
    """The three numbers of one sequence, in percent; a benchmark reports their means over its sequences.

    Args:
        prediction: xywh, (T, 4), pixels.
        ground_truth: xywh, (T, 4), pixels.
        visible: (T,), whether the object is visible. Default: wherever the annotated box is valid.

    Returns:
        ``success``: area under the success curve; ``precision``: within 20 pixels; ``norm_precision``: within 0.2.

    Raises:
        ValueError: The prediction does not fit the ground truth or holds an invalid box.
    """
    curves = ope_curves(prediction, ground_truth, visible)
    return dict(
        success=100 * float(curves['success'].mean()),
        precision=100 * float(curves['precision'][20]),
        norm_precision=100 * float(curves['norm_precision'][20]))
