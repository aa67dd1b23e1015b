"""Loads a tracker from any supported file."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

import numpy as np

from ct_mm.tracking.runtime.model_card import BOX, SCORE
from ct_mm.tracking.runtime.portable_tracker import PortableTracker
from ct_mm.tracking.runtime.sessions.session import Session
from ct_mm.tracking.runtime.tracking_loop import TrackingLoop


class Tracker(Protocol):
    """The interface of all trackers, whatever runtime they use."""

    def init(self, image: np.ndarray, box: np.ndarray) -> None:
        """Starts on a target: image RGB uint8 (H, W, 3), box xywh in pixels."""

    def track(self, image: np.ndarray) -> tuple[np.ndarray, float]:
        """Finds the target in the next frame: box (4,) xywh in pixels, and score in [0, 1]."""


def init_tracker(model: str | os.PathLike, checkpoint: str | os.PathLike | None = None, device: str = 'cpu',
                 threads: int | None = None, precision: str | None = None) -> Tracker:
    """Loads a tracker for any runtime.

    ``.onnx`` and ``.xml`` (OpenVINO) files require neither PyTorch nor MMEngine.

    Args:
        model: An exported network (``.onnx``, ``.xml``, ``.torchscript``, ``.pt2``), or the config (``.py``) of a
            PyTorch tracker; the prefix ``ct_mm::`` refers to a file of the package.
        checkpoint: Weights, if ``model`` is a config.
        device: ``'cpu'`` or ``'cuda'``; for OpenVINO also ``'gpu'`` or ``'npu'``.
        threads: Number of CPU threads. Default: the runtime's choice. In PyTorch it applies to the whole process.
        precision: ``'fp32'``, ``'bf16'`` or ``'fp16'``, if runtime and device support it. Default: the runtime's
            choice.

    Returns:
        A tracker: call ``init(image, box)``, then ``track(image)`` for each frame. Images are RGB uint8 (H, W, 3),
            boxes are xywh in pixels.

    Raises:
        FileNotFoundError: If a file does not exist.
        ImportError: If the runtime is not installed; says how to install it.
        ValueError: If a file is not a ct_mm tracker, or runtime and device do not support the options.
    """
    from ct_mm.package_files import resolve_path
    path = Path(resolve_path(model))
    if not path.is_file():
        raise FileNotFoundError(f'tracker {path} does not exist (current folder: {Path.cwd()})')
    if path.suffix == '.py':
        from ct_mm.tracking.inference import init_model
        return init_model(path, checkpoint, device, threads=threads, precision=precision)
    if checkpoint is not None:
        raise ValueError(f'{path} already contains its weights: remove checkpoint={os.fspath(checkpoint)!r}; only a '
                         'config (.py) takes a checkpoint')
    session = _session_type(path)(path, device, threads, precision)
    _try_once(session, path)
    return PortableTracker(session)


def _try_once(session: Session, path: Path) -> None:
    """Runs the network on zeros, because its card may belong to another network and the crops may not fit."""
    sizes = session.card.geometry.template_size, session.card.geometry.search_size
    loop, image = TrackingLoop(session), np.zeros((64, 64, 3), np.uint8)
    try:
        outputs = loop.outputs(loop.start(image, np.array([16., 16, 32, 32])), image)
        fits = outputs[BOX].shape == (1, 4) and outputs[SCORE].shape == (1, 1)
    except Exception as error:  # the runtimes' exceptions share no base class; all are re-raised
        raise ValueError(f'{path}: its network rejects the crop sizes in its card, {sizes[0]} and {sizes[1]} '
                         f'pixels, or its other inputs: {error}') from error
    if not fits:
        raise ValueError(f'{path}: its network must return a box (1, 4) and a score (1, 1), not '
                         f'{outputs[BOX].shape} and {outputs[SCORE].shape}')


def _session_type(path: Path) -> type:
    if path.suffix == '.onnx':
        from ct_mm.tracking.runtime.sessions.onnx_session import OnnxSession
        return OnnxSession
    if path.suffix == '.xml':
        from ct_mm.tracking.runtime.sessions.openvino_session import OpenVINOSession
        return OpenVINOSession
    if path.suffix in ('.torchscript', '.pt2'):
        from ct_mm.tracking.runtime.sessions.torch_session import TorchSession
        return TorchSession
    raise ValueError(f'{path}: a tracker is an .onnx, .xml (OpenVINO), .torchscript or .pt2 file '
                     'from tools/deployment/export.py, or a config (.py)')
