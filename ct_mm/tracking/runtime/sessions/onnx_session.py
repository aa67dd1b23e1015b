"""An exported network in ONNX Runtime."""
from __future__ import annotations

import os

import numpy as np

from ct_mm.tracking.runtime.model_card import CARD_KEY, ModelCard


class OnnxSession:
    """Loads an ``.onnx`` file.

    Args:
        path: The file.
        device: ``'cpu'`` or ``'cuda'``.
        threads: Threads of the CPU. Default: ONNX Runtime's choice.
        precision: Only the file's own; here so that all sessions take the same arguments.

    Raises:
        ImportError: onnxruntime is not installed; says how to get it.
        ValueError: The file is none of ours or damaged, or the device or precision is not to be had.
    """

    def __init__(self, path: str | os.PathLike, device: str = 'cpu', threads: int | None = None,
                 precision: str | None = None) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise ImportError(f'{path} needs ONNX Runtime: pip install onnxruntime') from error
        if precision is not None:
            raise ValueError(f'{path}: ONNX Runtime computes in the precision of the file; precision={precision!r} '
                             'needs an OpenVINO file, or quantise the file (tools/deployment/quantize.py)')
        providers = dict(cpu='CPUExecutionProvider', cuda='CUDAExecutionProvider')
        if providers.get(device) not in onnxruntime.get_available_providers():
            raise ValueError(f'{path}: device {device!r} is not to be had from this ONNX Runtime, which offers '
                             f'{", ".join(onnxruntime.get_available_providers())}')
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(os.fspath(path), options, providers=[providers[device]])
            card = self._session.get_modelmeta().custom_metadata_map.get(CARD_KEY)
        except Exception as error:  # its exceptions share no base class; none is swallowed
            raise ValueError(f'{path} cannot be loaded by ONNX Runtime: {error}') from error
        self.card = ModelCard.from_json(card, str(path))
        #: What it computes in; for int8 also what it does the rest in.
        self.precision = 'int8 + fp32' if self.card.precision == 'int8' else self.card.precision
        self.version = onnxruntime.__version__

    def __repr__(self) -> str:
        return f'ONNX Runtime {self.version}'

    def outputs(self, template: np.ndarray, search: np.ndarray) -> dict[str, np.ndarray]:
        """All outputs by name, see :class:`ModelCard`."""
        names = [output.name for output in self._session.get_outputs()]
        return dict(zip(names, self._session.run(names, dict(template=template, search=search))))

    def __call__(self, template: np.ndarray, search: np.ndarray) -> tuple[np.ndarray, float]:
        """Box (4,), cxcywh normalised to the search region, and score."""
        box, score = self._session.run(['box', 'score'], dict(template=template, search=search))
        return box[0], float(score[0, 0])
