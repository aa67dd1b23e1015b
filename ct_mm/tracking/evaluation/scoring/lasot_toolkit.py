"""One-pass evaluation as the MATLAB toolkit of LaSOT computes it; TNL2K's toolkit is a copy.

As in PyTracking, frame 0 counts with the ground truth as its prediction, boxes cover whole pixels, the normalised
distance divides by the annotated size, and an empty prediction is replaced by the previous box. Frames that cannot be
scored are treated differently:

* A frame flagged absent is removed, but curves are divided by the number of all frames, so it is a miss in all curves.
* An unflagged frame whose annotated x, y, width and height are not all above zero is a miss in success. Its distances
  are set to -1, so it is a hit in precision and normalised precision. This includes boxes that touch or cross the left
  or upper border of the image.
* A sequence whose curve is zero everywhere is excluded from the mean of this curve.

Source: ``calc_seq_err_robust.m``, ``eval_tracker.m`` and ``plot_draw_save.m`` of the LaSOT Evaluation Toolkit; Fan et
al., "LaSOT: A High-quality Large-scale Single Object Tracking Benchmark", IJCV 2021.
"""
from __future__ import annotations

import numpy as np

from ct_mm.tracking.evaluation.scoring.success import pixel_distances, pixel_ious
from ct_mm.tracking.evaluation.scoring.tracks import check_track, has_box, repeat_empty_boxes


def lasot_errors(prediction: np.ndarray, ground_truth: np.ndarray,
                 visible: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Computes overlaps and centre distances of all frames that are not flagged absent.

    Args:
        prediction: Predicted boxes (T, 4), xywh in pixels.
        ground_truth: Annotated boxes (T, 4), xywh in pixels, with corners as in the benchmark's files.
        visible: Whether the object is visible in each frame, (T,). Default: wherever the annotated box is valid.

    Returns:
        IoU (N,), centre distance in pixels (N,) and centre distance normalised by the annotated size (N,) of the N
        frames; all are -1 unless the annotated x, y, width and height are above zero.

    Raises:
        ValueError: The prediction does not match the ground truth or holds an invalid box.
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
