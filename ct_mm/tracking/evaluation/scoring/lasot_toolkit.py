"""One-pass evaluation as the MATLAB toolkit of LaSOT computes it; that of TNL2K is a copy of it.

As in PyTracking, frame 0 counts with the ground truth as its prediction, a box covers whole pixels, the normalised
distance divides by the annotated size, and an empty prediction repeats the box before it. Different are the frames that
cannot be scored:

* A frame flagged absent is taken out, but the curves are divided by the number of all frames: it is a miss in all.
* A frame not so flagged whose annotated box has not all of x, y, width and height above zero is a miss in success and,
  its distance being set to -1, a hit in precision and normalised precision. So is a box that touches or crosses the
  left or upper border of the image.
* A sequence whose curve is zero everywhere is left out of the mean of that curve.

Source: ``calc_seq_err_robust.m``, ``eval_tracker.m`` and ``plot_draw_save.m`` of the LaSOT Evaluation Toolkit; Fan et
al., "LaSOT: A High-quality Large-scale Single Object Tracking Benchmark", IJCV 2021.
"""
from __future__ import annotations

import numpy as np

from ct_mm.tracking.evaluation.scoring.success import pixel_distances, pixel_ious
from ct_mm.tracking.evaluation.scoring.tracks import check_track, has_box, repeat_empty_boxes


def lasot_errors(prediction: np.ndarray, ground_truth: np.ndarray,
                 visible: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Overlap and centre distances of every frame that is not flagged absent.

    Args:
        prediction: xywh, (T, 4), pixels.
        ground_truth: xywh, (T, 4), pixels, with the corner as the benchmark's files have it.
        visible: (T,), whether the object is visible. Default: wherever the annotated box is valid.

    Returns:
        IoU (N,), centre distance in pixels (N,) and normalised by the annotated size (N,) of the N frames; all -1 where
        the annotation is no box above zero.

    Raises:
        ValueError: The prediction does not fit the ground truth or holds an invalid box.
    """
    prediction, ground_truth, _ = check_track(prediction, ground_truth, visible)
    present = has_box(ground_truth) if visible is None else np.asarray(visible, bool)  # (T,)
    prediction = repeat_empty_boxes(prediction, ground_truth)
    prediction[0] = ground_truth[0]
    prediction, ground_truth = prediction[present], ground_truth[present]  # (N, 4), (N, 4)
    scored = (ground_truth > 0).all(axis=1)  # (N,)
    overlap, distance, norm_distance = -np.ones((3, len(scored)))
    overlap[scored] = pixel_ious(prediction[scored], ground_truth[scored])
    distance[scored], norm_distance[scored] = pixel_distances(prediction[scored], ground_truth[scored])
    return overlap, distance, norm_distance
