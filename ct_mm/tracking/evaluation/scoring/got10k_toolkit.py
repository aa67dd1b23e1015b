"""Scores as the GOT-10k toolkit (the package ``got10k`` 0.1.3) computes them.

Average overlap and success rates, its report on GOT-10k: frame 0 does not count; both boxes are clipped to the image; a
box is a plain rectangle without the one-pixel rule; only frames with a visible object count; a benchmark's score is
taken over all frames of all sequences.

Success and precision, its report on OTB, NfS and UAV123: frame 0 counts, with the ground truth as its prediction; boxes
are plain rectangles, not clipped, but their centres follow the one-pixel rule; nothing is repeated.

Source: Huang et al., "GOT-10k: A Large High-Diversity Benchmark for Generic Object Tracking in the Wild", TPAMI 2021.
"""
from __future__ import annotations

import numpy as np

from ct_mm.tracking.evaluation.scoring.success import pixel_distances
from ct_mm.tracking.evaluation.scoring.tracks import check_track

#: Of the toolkit's success curve on GOT-10k.
OVERLAP_THRESHOLDS = np.linspace(0, 1, 101)


def _clip(boxes: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """Clips xywh boxes (N, 4) the toolkit's way: the corner moves into the image, then the size is cut."""
    size = np.asarray(image_size, dtype=np.float64)  # (2,), w and h
    corner = np.clip(boxes[:, :2], 0, size)
    return np.concatenate([corner, np.clip(boxes[:, 2:], 0, size - corner)], axis=1)


def got10k_ious(prediction: np.ndarray, ground_truth: np.ndarray, image_size: tuple[int, int] | None = None,
                visible: np.ndarray | None = None) -> np.ndarray:
    """IoU of every counted frame of one sequence.

    Args:
        prediction: xywh, (T, 4), pixels.
        ground_truth: xywh, (T, 4), pixels.
        image_size: (width, height) in pixels. Default: boxes are not clipped.
        visible: (T,), whether the object is visible. Default: wherever the annotated box is valid.

    Returns:
        IoU in [0, 1], (M,), of the M visible frames after frame 0; M may be 0.

    Raises:
        ValueError: The prediction does not fit the ground truth or holds an invalid box.
    """
    prediction, ground_truth, valid = check_track(prediction, ground_truth, visible)
    valid[0] = False
    predicted, annotated = prediction[valid], ground_truth[valid]  # (M, 4), (M, 4)
    if image_size is not None:
        predicted, annotated = _clip(predicted, image_size), _clip(annotated, image_size)
    return rectangle_ious(predicted, annotated)


def rectangle_ious(predicted: np.ndarray, annotated: np.ndarray) -> np.ndarray:
    """IoU (N,) in [0, 1] of plain rectangles xywh (N, 4); NaN where a number is NaN."""
    top_left = np.maximum(predicted[:, :2], annotated[:, :2])  # (N, 2)
    bottom_right = np.minimum(predicted[:, :2] + predicted[:, 2:], annotated[:, :2] + annotated[:, 2:])
    intersection = np.clip(bottom_right - top_left, 0, None).prod(axis=1)  # (N,)
    union = predicted[:, 2:].prod(axis=1) + annotated[:, 2:].prod(axis=1) - intersection
    # The toolkit's epsilon; it also gives 0 where clipping leaves nothing of either box.
    return np.clip(intersection / (union + np.finfo(np.float64).eps), 0, 1)


def got10k_scores(ious: np.ndarray) -> dict[str, float]:
    """Average overlap and success rates of a set of frames, as fractions.

    Args:
        ious: (M,), the IoU of every counted frame, of one sequence or of all of them joined.

    Returns:
        ``ao``: the mean; ``sr50`` and ``sr75``: the share above 0.5 and 0.75.

    Raises:
        ValueError: There is no frame to score.
    """
    ious = np.asarray(ious, dtype=np.float64)
    if ious.size == 0:
        raise ValueError('no frame to score: GOT-10k scores need a visible object in some frame after the first')
    return dict(ao=float(ious.mean()), sr50=float((ious > 0.5).mean()), sr75=float((ious > 0.75).mean()))


def otb_errors(prediction: np.ndarray, ground_truth: np.ndarray,
               benchmark: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Overlap and centre distance as the toolkit has them for OTB, NfS and UAV123.

    Args:
        prediction: xywh, (T, 4), pixels.
        ground_truth: xywh, (T, 4), pixels.
        benchmark: In ``'uav123'`` frames whose annotation is NaN are left out; in any other they are misses.

    Returns:
        IoU (N,) and distance in pixels (N,) of the N frames that count; NaN for a frame with an annotation of NaN.

    Raises:
        ValueError: The prediction does not fit the ground truth or holds an invalid box.
    """
    prediction, ground_truth, _ = check_track(prediction, ground_truth)
    prediction[0] = ground_truth[0]
    if benchmark == 'uav123':
        counts = ~np.isnan(ground_truth).any(axis=1)
        prediction, ground_truth = prediction[counts], ground_truth[counts]
    with np.errstate(divide='ignore', invalid='ignore'):  # only the normalised distance divides by an empty box
        return rectangle_ious(prediction, ground_truth), pixel_distances(prediction, ground_truth)[0]
