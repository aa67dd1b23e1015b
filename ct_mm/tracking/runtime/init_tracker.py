"""One call for every kind of tracker file."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

import numpy as np

from ct_mm.tracking.runtime.portable_tracker import PortableTracker, Session


class Tracker(Protocol):
    """What all trackers can do, wherever they run."""

    def init(self, image: np.ndarray, box: np.ndarray) -> None:
        """Starts on a target: RGB uint8 (H, W, 3), xywh in pixels."""

    def track(self, image: np.ndarray) -> tuple[np.ndarray, float]:
        """Finds it in the next frame: box (4,) xywh in pixels, and score in [0, 1]."""


def init_tracker(model: str | os.PathLike, checkpoint: str | os.PathLike | None = None, device: str = 'cpu',
                 threads: int | None = None, precision: str | None = None) -> Tracker:
    """Loads a tracker, whatever it was made for.

    ``.onnx`` and ``.xml`` (OpenVINO) files need neither PyTorch nor MMEngine.

    Args:
        model: An exported network (``.onnx``, ``.xml``, ``.torchscript``, ``.pt2``), or the config (``.py``) of a
            tracker in PyTorch; ``ct_mm::`` in front means inside the package.
        checkpoint: Weights, if ``model`` is a config.
        device: Where it runs: ``'cpu'``, ``'cuda'``; for OpenVINO also ``'gpu'``, ``'npu'``.
        threads: Threads of the CPU. Default: the runtime's choice. PyTorch has one number for the whole process.
        precision: ``'fp32'``, ``'bf16'`` or ``'fp16'``, as far as runtime and device offer it. Default: the runtime's
            choice.

    Returns:
        A tracker: ``init(image, box)``, then ``track(image)``. Images are RGB uint8 (H, W, 3), boxes xywh in pixels.

    Raises:
        FileNotFoundError: A file does not exist.
        ImportError: The runtime is not installed; says how to get it.
        ValueError: A file is none of ours, or runtime and device cannot do what was asked.
    """
    from ct_mm.package_files import resolve_path
    path = Path(resolve_path(model))
    if not path.is_file():
        raise FileNotFoundError(f'there is no tracker {path} (seen from {Path.cwd()})')
    if path.suffix == '.py':
        from ct_mm.tracking.inference import init_model
        return init_model(path, checkpoint, device, threads=threads, precision=precision)
    if checkpoint is not None:
        raise ValueError(f'{path} holds its weights already, so checkpoint={os.fspath(checkpoint)!r} has no meaning; '
                         'a checkpoint goes with a config (.py)')
    session = _session_type(path)(path, device, threads, precision)
    _try_once(session, path)
    return PortableTracker(session)


def _try_once(session: Session, path: Path) -> None:
    """What a card says of the crops may be of another network: finds that out before the first frame."""
    template, search = (np.zeros((1, size, size, 3), np.uint8)
                        for size in (session.card.template_size, session.card.search_size))
    try:
        box, score = session(template, search)
        fits = np.shape(box) == (4, ) and np.isfinite([*box, score]).all()
    except Exception as error:  # the runtimes' exceptions share no base class; none is swallowed
        raise ValueError(f'{path}: its network does not take the crops of its card, {session.card.template_size} and '
                         f'{session.card.search_size} pixels wide: {error}') from error
    if not fits:
        raise ValueError(f'{path}: its network gives no box of four finite numbers, but {box} with score {score}')


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
    raise ValueError(f'{path}: a tracker is an .onnx, .xml (OpenVINO), .torchscript or .pt2 file of '
                     'tools/deployment/export.py, or a config (.py)')
