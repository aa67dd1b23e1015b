"""A tracker on images and videos: build it, start it on a target, follow the target."""
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
from ct_mm.engine.checkpoints.reading import read_state_dict
from ct_mm.package_files import resolve_path
from ct_mm.registry import MODELS
from ct_mm.tracking.models import BaseTracker
from ct_mm.tracking.runtime.geometry import check_frame
from ct_mm.tracking.structures import TrackDataSample


def init_model(config: str | os.PathLike | Config, checkpoint: str | os.PathLike | None = None,
               device: str | torch.device = 'cpu', threads: int | None = None,
               precision: str | None = None) -> BaseTracker:
    """Builds a tracker from its config and reads its weights; the name follows mmtracking 1.x.

    Args:
        config: Config of a plain tracker, or the path of one. ``ct_mm::`` in front of a path means inside the
            package. A compression leaves the student's config in ``WORK_DIR/student/student.py``.
        checkpoint: File with the weights, read as tensors only. They must fit exactly. Without one the weights are
            random.
        device: Where the tracker runs.
        threads: Threads of the CPU. Default: PyTorch's choice. It has one number for the whole process.
        precision: ``'fp32'`` (default), or ``'bf16'``: bfloat16 where that is safe (autocast). On a CPU with
            instructions for it that is more than twice as fast.

    Returns:
        The tracker in evaluation mode; ``tracker.cfg`` is its config.

    Raises:
        FileNotFoundError: If the config or the checkpoint does not exist.
        ValueError: If the config does not describe a tracker, the weights do not fit it (the message says which), or
            the precision is unknown.
    """
    if precision not in (None, 'fp32', 'bf16'):
        raise ValueError(f"in PyTorch precision is 'fp32' or 'bf16', not {precision!r}")
    if threads is not None:
        torch.set_num_threads(threads)
    if not isinstance(config, Config):
        path = Path(resolve_path(config))
        if not path.is_file():
            raise FileNotFoundError(f'config {path} does not exist (seen from {Path.cwd()})')
        config = Config.fromfile(path)
    source = config.filename or 'the config'
    if not config.get('model'):
        raise ValueError(f'{source} has no `model`, so it describes no tracker')
    # The model's types may lack their scope, as in the codebase that the config was written for.
    with DefaultScope.overwrite_default_scope(config.get('default_scope', 'ct_mm')):
        model = MODELS.build(config.model)
    if not (callable(getattr(model, 'init', None)) and callable(getattr(model, 'track', None))):
        raise ValueError(f'{source}: model.type={config.model.type} is no tracker (it has no `init` and `track`); of a '
                         f'compression take the config of the student, WORK_DIR/student/student.py')
    if checkpoint is not None:
        checkpoint = resolve_path(checkpoint)
        _load(model, read_state_dict(checkpoint), checkpoint, source)
    model.cfg = config
    if precision is not None:
        model.precision = precision
    return model.to(device).eval()


def inference_sot(model: BaseTracker, image: np.ndarray, init_bbox: np.ndarray | None,
                  frame_id: int) -> TrackDataSample:
    """Does one frame of a video; the name and the arguments follow mmtracking 1.x.

    Unlike there, boxes are xywh (mmtracking: xyxy) and images are RGB (mmtracking: BGR), as everywhere in ct_mm.

    Args:
        model: What :func:`init_model` returned.
        image: RGB uint8 (H, W, 3).
        init_bbox: The target in the first frame, xywh in pixels, (4,). Not read in later frames.
        frame_id: Number of the frame; 0 starts the tracker on ``init_bbox``.

    Returns:
        A sample with ``pred_track_instances``: ``bboxes`` (1, 4) float64 xywh in pixels, ``scores`` (1,); its metainfo
        holds ``frame_id``. Frame 0 gives the box that came in, with score 1.

    Raises:
        ValueError: If the image is no RGB uint8 array, the number is negative, or frame 0 comes without a valid box.
    """
    check_frame(image, name=f'frame {frame_id}')
    if frame_id < 0:
        raise ValueError(f'frame_id must be 0 for the first frame and count up from there, not {frame_id}')
    if frame_id == 0:
        if init_bbox is None:
            raise ValueError('frame 0 needs init_bbox, the target as xywh in pixels')
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
    """Follows a target through a video.

    Args:
        tracker: What :func:`init_model` returned.
        frames: The images in order, RGB uint8 (H, W, 3): a ``FrameSequence``, a list, a generator.
        box: The target in the first frame, xywh in pixels.
        progress: Called after each frame with the number of frames done.

    Returns:
        Boxes (T, 4) float64, xywh in pixels, the given one first; scores (T,) float64, the first of them 1.

    Raises:
        ValueError: If there is no frame, a frame is no RGB uint8 array, or the box is not valid.
    """
    boxes, scores = [], []
    for frame_id, image in enumerate(frames):
        result = inference_sot(tracker, image, box, frame_id).pred_track_instances
        boxes.append(result.bboxes[0].numpy())
        scores.append(float(result.scores[0]))
        if progress is not None:
            progress(frame_id + 1)
    if not boxes:
        raise ValueError('the video has no frame')
    return np.stack(boxes), np.asarray(scores)


def _load(model: BaseTracker, weights: dict[str, Tensor], checkpoint: str, source: str) -> None:
    weights = fit_names(model.state_dict(), weights)
    misfit = misfit_of(model, weights)
    if misfit:
        hint = ''
        if any(key.startswith('student.') for key in misfit.surplus):
            hint = ('. It is a training checkpoint of a compression: the student for use is '
                    'WORK_DIR/student/student.pth, its config is student.py beside it')
        raise ValueError(f'the weights in {checkpoint} do not fit the model of {source}: {misfit}{hint}')
    model.load_state_dict(weights, strict=False)  # what a model leaves out of its own state dict, it misses there
