"""Builds a tracker from a config and runs it on images and videos."""
from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from torch import Tensor

from ct_mm.engine.checkpoints.misfit import fit_names, misfit_of
from ct_mm.engine.checkpoints.reading import bytes_of_model, read_state_dict
from ct_mm.package_files import resolve_path
from ct_mm.registry import MODELS
from ct_mm.tracking.models import BaseTracker
from ct_mm.tracking.runtime.geometry import check_frame
from ct_mm.tracking.structures import TrackDataSample


def init_model(config: str | os.PathLike | Config, checkpoint: str | os.PathLike | None = None,
               device: str | torch.device = 'cpu', threads: int | None = None,
               precision: str | None = None) -> BaseTracker:
    """Builds a tracker from its config and loads its weights. The name follows mmtracking 1.x.

    Args:
        config: Config of a plain tracker, or its path; paths inside the package start with ``ct_mm::``. A compression
            saves the student's config as ``WORK_DIR/student/student.py``.
        checkpoint: File with the weights, loaded strictly and as tensors only. Default: random weights.
        device: Device of the tracker.
        threads: Number of CPU threads, which PyTorch sets for the whole process. Default: PyTorch's choice.
        precision: ``'fp32'`` (default), or ``'bf16'`` for autocast to bfloat16, which is more than twice as fast on
            CPUs with bfloat16 instructions.

    Returns:
        The tracker in evaluation mode; ``tracker.cfg`` is its config.

    Raises:
        FileNotFoundError: If the config or the checkpoint does not exist.
        ValueError: If the config does not describe a tracker, the weights do not fit it (the message names them), or
            the precision is unknown.

    Examples:
        >>> tracker = init_model('ct_mm::configs/_base_/models/ostrack_vitb.py')  # random weights
        >>> image, box = np.zeros((240, 320, 3), np.uint8), np.array([100., 80, 40, 40])
        >>> boxes, scores = track_video(tracker, [image, image], box)
        >>> boxes.shape, scores.shape
        ((2, 4), (2,))
    """
    if precision not in (None, 'fp32', 'bf16'):
        raise ValueError(f"PyTorch supports precision 'fp32' or 'bf16', not {precision!r}")
    if threads is not None:
        torch.set_num_threads(threads)
    if not isinstance(config, Config):
        path = Path(resolve_path(config))
        if not path.is_file():
            raise FileNotFoundError(f'config {path} does not exist (current folder: {Path.cwd()})')
        config = Config.fromfile(path)
    source = config.filename or 'the config'
    if not config.get('model'):
        raise ValueError(f'{source} has no `model`, so it does not describe a tracker')
    # The config may be written for another codebase, in which its types need no scope.
    with DefaultScope.overwrite_default_scope(config.get('default_scope', 'ct_mm')):
        model = MODELS.build(config.model)
    if not (callable(getattr(model, 'init', None)) and callable(getattr(model, 'track', None))):
        raise ValueError(f'{source}: model.type={config.model.type} is not a tracker (it has no `init` and `track`). '
                         'After a compression, use the config of the student: WORK_DIR/student/student.py')
    if checkpoint is not None:
        checkpoint = resolve_path(checkpoint)
        _load(model, read_state_dict(checkpoint, model_bytes=bytes_of_model(model)), checkpoint, source)
    model.cfg = config
    if precision is not None:
        model.precision = precision
    return model.to(device).eval()


def inference_sot(model: BaseTracker, image: np.ndarray, init_bbox: np.ndarray | None,
                  frame_id: int) -> TrackDataSample:
    """Tracks one frame of a video. The name and the arguments follow mmtracking 1.x.

    Unlike in mmtracking, boxes are xywh (not xyxy) and images RGB (not BGR), as everywhere in ct_mm.

    Args:
        model: Tracker from :func:`init_model`.
        image: Frame, RGB uint8 (H, W, 3).
        init_bbox: Target in the first frame, xywh in pixels, (4,). Ignored in later frames.
        frame_id: Index of the frame; 0 starts the tracker on ``init_bbox``.

    Returns:
        A sample with ``pred_track_instances``: ``bboxes`` (1, 4) float64, xywh in pixels, and ``scores`` (1,), and with
        ``frame_id`` in its metainfo. Frame 0 returns the given box with score 1.

    Raises:
        ValueError: If the image is not an RGB uint8 array, the index is negative, or frame 0 has no valid box.
    """
    check_frame(image, name=f'frame {frame_id}')
    if frame_id < 0:
        raise ValueError(f'frame_id must be at least 0, where 0 is the first frame, not {frame_id}')
    if frame_id == 0:
        if init_bbox is None:
            raise ValueError('frame 0 requires init_bbox, the target as xywh in pixels')
        box, score = np.asarray(init_bbox, dtype=np.float64), 1.0
        if box.shape != (4, ):
            raise ValueError(f'init_bbox must be four numbers, xywh in pixels, not an array of shape {box.shape}')
        model.init(image, box)
    else:
        box, score = model.track(image)
    sample = TrackDataSample(metainfo=dict(frame_id=frame_id))
    sample.pred_track_instances = InstanceData(
        bboxes=torch.from_numpy(np.array(box, dtype=np.float64)[None]), scores=torch.tensor([score]))
    return sample


def track_video(tracker: BaseTracker, frames: Iterable[np.ndarray], box: np.ndarray,
                progress: Callable[[int], None] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Tracks a target through a video.

    Args:
        tracker: Tracker from :func:`init_model`.
        frames: Frames in order, RGB uint8 (H, W, 3), for example a ``FrameSequence``, a list or a generator.
        box: Target in the first frame, xywh in pixels.
        progress: Called after each frame with the number of frames done.

    Returns:
        Boxes (T, 4) float64, xywh in pixels, the first being the given box; scores (T,) float64, the first being 1.

    Raises:
        ValueError: If there is no frame, a frame is not an RGB uint8 array, or the box is invalid.
    """
    boxes, scores = [], []
    for frame_id, image in enumerate(frames):
        result = inference_sot(tracker, image, box, frame_id).pred_track_instances
        boxes.append(result.bboxes[0].numpy())
        scores.append(float(result.scores[0]))
        if progress is not None:
            progress(frame_id + 1)
    if not boxes:
        raise ValueError('the video has no frames')
    return np.stack(boxes), np.asarray(scores)


def _load(model: BaseTracker, weights: dict[str, Tensor], checkpoint: str, source: str) -> None:
    weights = fit_names(model.state_dict(), weights)
    misfit = misfit_of(model, weights)
    if misfit:
        hint = ''
        if any(key.startswith('student.') for key in misfit.surplus):
            hint = ('. This is a training checkpoint of a compression: use the exported student, '
                    'WORK_DIR/student/student.pth, with the config student.py next to it')
        raise ValueError(f'the weights in {checkpoint} do not fit the model of {source}: {misfit}{hint}')
    model.load_state_dict(weights, strict=False)  # what a model leaves out of its own state dict, it misses there
