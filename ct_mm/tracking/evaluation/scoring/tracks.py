"""Checks of a track and its annotation that come before every score."""
from __future__ import annotations

import numpy as np


def check_track(prediction: np.ndarray, ground_truth: np.ndarray, visible: np.ndarray | None = None,
                name: str | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Checks a track against its annotation. Otherwise, a NaN would silently count as a miss.

    Args:
        prediction: Predicted boxes (T, 4), xywh in pixels.
        ground_truth: Annotated boxes (T, 4), xywh in pixels; NaN or a size of zero if there is no object.
        visible: Whether the object is visible in each frame, (T,). Default: wherever the annotated box is valid.
        name: Name of the sequence for the message.

    Returns:
        Copies of the prediction (T, 4) float64 and of the ground truth (T, 4) float64, and the visibility (T,) bool,
        which is False if the annotated box is invalid.

    Raises:
        ValueError: The lengths differ, or a predicted box is not finite or has a negative size; the message names
            the sequence and the frame.
    """
    where = f'sequence {name!r}: ' if name is not None else ''
    prediction = np.array(prediction, dtype=np.float64)
    ground_truth = np.array(ground_truth, dtype=np.float64)
    if ground_truth.ndim != 2 or ground_truth.shape[1] != 4 or len(ground_truth) == 0:
        raise ValueError(f'{where}the ground truth must be (T, 4) with T > 0, but is {ground_truth.shape}')
    if prediction.shape != ground_truth.shape:
        raise ValueError(f'{where}the prediction is {prediction.shape}, but the ground truth is '
                         f'{ground_truth.shape}; a track needs one box per frame, the given box first')
    broken = is_broken(prediction)
    if broken.any():
        frame = int(np.argmax(broken))
        raise ValueError(f'{where}the box predicted in frame {frame} (0-based) is {prediction[frame].tolist()}; '
                         f'{int(broken.sum())} of {len(broken)} boxes are not finite or have a negative size')
    valid = has_box(ground_truth)
    if visible is not None:
        visible = np.asarray(visible)
        if visible.shape != valid.shape:
            raise ValueError(f'{where}visible must be {valid.shape}, one flag per frame, but is {visible.shape}')
        valid &= visible.astype(bool)
    return prediction, ground_truth, valid


def is_broken(boxes: np.ndarray) -> np.ndarray:
    """Returns which boxes (T, 4) are not finite or have a negative size, (T,)."""
    return ~np.isfinite(boxes).all(axis=1) | (boxes[:, 2:] < 0).any(axis=1)


def has_box(ground_truth: np.ndarray) -> np.ndarray:
    """Returns which frames (T,) of an annotation (T, 4) have a box: finite and with a positive size."""
    return np.isfinite(ground_truth).all(axis=1) & (ground_truth[:, 2:] > 0).all(axis=1)


def repeat_empty_boxes(prediction: np.ndarray, ground_truth: np.ndarray) -> np.ndarray:
    """Returns a copy of a track (T, 4) in which boxes of zero width or height are replaced by the previous box.

    As in PyTracking and the LaSOT toolkit, frames with a NaN annotation (T, 4) are skipped.
    """
    prediction = prediction.copy()
    empty = (prediction[:, 2:] == 0).any(axis=1) & ~np.isnan(ground_truth).any(axis=1)  # (T,)
    for frame in np.flatnonzero(empty[1:]) + 1:
        prediction[frame] = prediction[frame - 1]
    return prediction
