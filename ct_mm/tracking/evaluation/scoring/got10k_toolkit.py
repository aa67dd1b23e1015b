"""Scores as the GOT-10k toolkit (the package ``got10k`` 0.1.3) computes them.

Average overlap and success rates (the report on GOT-10k): frame 0 does not count; both boxes are clipped to the image;
boxes are plain rectangles without the one-pixel rule; only frames with a visible object count; the score of a benchmark
is computed over all frames of all sequences.

Success and precision (the report on OTB, NfS and UAV123): frame 0 counts with the ground truth as its prediction; boxes
are plain rectangles that are not clipped, but their centres follow the one-pixel rule; empty boxes are not replaced.

Source: Huang et al., "GOT-10k: A Large High-Diversity Benchmark for Generic Object Tracking in the Wild", TPAMI 2021.
"""
from __future__ import annotations

import numpy as np

from ct_mm.tracking.evaluation.scoring.success import pixel_distances
from ct_mm.tracking.evaluation.scoring.tracks import check_track

#: Thresholds of the toolkit's success curve on GOT-10k.
OVERLAP_THRESHOLDS = np.linspace(0, 1, 101)


def _clip(boxes: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """Clips xywh boxes (N, 4) like the toolkit: moves the corner into the image, then cuts the size."""
    size = np.asarray(image_size, dtype=np.float64)  # (2,), w and h
    corner = np.clip(boxes[:, :2], 0, size)
    return np.concatenate([corner, np.clip(boxes[:, 2:], 0, size - corner)], axis=1)


def got10k_ious(prediction: np.ndarray, ground_truth: np.ndarray, image_size: tuple[int, int] | None = None,
                visible: np.ndarray | None = None) -> np.ndarray:
    """Computes the IoU of every scored frame of a sequence.

    Args:
        prediction: Predicted boxes (T, 4), xywh in pixels.
        ground_truth: Annotated boxes (T, 4), xywh in pixels.
        image_size: Width and height in pixels to clip boxes to. Default: no clipping.
        visible: Whether the object is visible in each frame, (T,). Default: wherever the annotated box is valid.

    Returns:
        IoU in [0, 1] of the M visible frames after frame 0, (M,); M can be 0.

    Raises:
        ValueError: The prediction does not match the ground truth or holds an invalid box.
    """
    prediction, ground_truth, valid = check_track(prediction, ground_truth, visible)
    valid[0] = False
    predicted, annotated = prediction[valid], ground_truth[valid]  # (M, 4), (M, 4)
    if image_size is not None:
        predicted, annotated = _clip(predicted, image_size), _clip(annotated, image_size)
    return rectangle_ious(predicted, annotated)


def rectangle_ious(predicted: np.ndarray, annotated: np.ndarray) -> np.ndarray:
    """Returns the IoU in [0, 1] of plain xywh rectangles (N, 4), (N,); NaN if a coordinate is NaN."""
    top_left = np.maximum(predicted[:, :2], annotated[:, :2])  # (N, 2)
    bottom_right = np.minimum(predicted[:, :2] + predicted[:, 2:], annotated[:, :2] + annotated[:, 2:])
    intersection = np.clip(bottom_right - top_left, 0, None).prod(axis=1)  # (N,)
    union = predicted[:, 2:].prod(axis=1) + annotated[:, 2:].prod(axis=1) - intersection
    # The toolkit's epsilon; it also gives 0 if both boxes are empty after clipping.
    return np.clip(intersection / (union + np.finfo(np.float64).eps), 0, 1)


def got10k_scores(ious: np.ndarray) -> dict[str, float]:
    """Computes the average overlap and the success rates of a set of frames, as fractions.

    Args:
        ious: IoU of every scored frame of one or several sequences, (M,).

    Returns:
        ``ao``, the mean, and ``sr50`` and ``sr75``, the fractions above 0.5 and 0.75.

    Raises:
        ValueError: There are no frames.
    """
    ious = np.asarray(ious, dtype=np.float64)
    if ious.size == 0:
        raise ValueError('no frame to score: GOT-10k scores need a visible object in a frame after the first')
    return dict(ao=float(ious.mean()), sr50=float((ious > 0.5).mean()), sr75=float((ious > 0.75).mean()))


def otb_errors(prediction: np.ndarray, ground_truth: np.ndarray,
               benchmark: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Computes overlaps and centre distances as the toolkit does for OTB, NfS and UAV123.

    Args:
        prediction: Predicted boxes (T, 4), xywh in pixels.
        ground_truth: Annotated boxes (T, 4), xywh in pixels.
        benchmark: For ``'uav123'``, frames with a NaN annotation are left out; otherwise they are misses.

    Returns:
        IoU (N,) and distance in pixels (N,) of the N scored frames; NaN for frames with a NaN annotation.

    Raises:
        ValueError: The prediction does not match the ground truth or holds an invalid box.
    """
    prediction, ground_truth, _ = check_track(prediction, ground_truth)
    prediction[0] = ground_truth[0]
    if benchmark == 'uav123':
        counts = ~np.isnan(ground_truth).any(axis=1)
        prediction, ground_truth = prediction[counts], ground_truth[counts]
    with np.errstate(divide='ignore', invalid='ignore'):  # only the unused normalised distance divides by zero
        return rectangle_ious(prediction, ground_truth), pixel_distances(prediction, ground_truth)[0]
