"""Runs an exported network in ONNX Runtime."""
from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ct_mm.tracking.runtime.model_card import CARD_KEY, ModelCard
from ct_mm.tracking.runtime.sessions.onnx_part import onnx_part


class OnnxSession:
    """Loads an ``.onnx`` file into ONNX Runtime.

    Args:
        path: The file.
        device: ``'cpu'`` or ``'cuda'``.
        threads: Number of CPU threads. Default: ONNX Runtime's choice.
        precision: Must be None, because ONNX Runtime uses the file's own precision; all sessions take this argument.

    Raises:
        ImportError: If onnxruntime is not installed; says how to install it.
        ValueError: If the file is damaged or not a ct_mm tracker, or the device or precision is not available.
    """

    def __init__(self, path: str | os.PathLike, device: str = 'cpu', threads: int | None = None,
                 precision: str | None = None) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise ImportError(f'{path} needs ONNX Runtime: pip install onnxruntime') from error
        if precision is not None:
            raise ValueError(f'{path}: ONNX Runtime computes in the precision of the file; for precision={precision!r} '
                             'use an OpenVINO file, or quantise this file (tools/deployment/quantize.py)')
        providers = dict(cpu='CPUExecutionProvider', cuda='CUDAExecutionProvider')
        if providers.get(device) not in onnxruntime.get_available_providers():
            raise ValueError(f'{path}: device {device!r} is not available in this ONNX Runtime; providers: '
                             f'{", ".join(onnxruntime.get_available_providers())}')
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(os.fspath(path), options, providers=[providers[device]])
            card = session.get_modelmeta().custom_metadata_map.get(CARD_KEY)
        except Exception as error:  # its exceptions share no base class; all are re-raised
            raise ValueError(f'{path} cannot be loaded by ONNX Runtime: {error}') from error
        self.card = ModelCard.from_json(card, str(path))
        #: Precision in which it computes; for int8 also that of the other operations.
        self.precision = 'int8 + fp32' if self.card.precision == 'int8' else self.card.precision
        self.version = onnxruntime.__version__
        #: Whether it takes several targets at once.
        self.batched = all(type(each.shape[0]) is not int for each in session.get_inputs() if each.shape)
        parts = [session]
        if self.card.prepares:
            prepared = {each.name for each in self.card.inputs if each.role == 'prepared'}
            halves = prepared, set(self.card.outputs) - prepared
            try:
                model = Path(path).read_bytes()
                parts = [onnxruntime.InferenceSession(
                    onnx_part(model, {self.card.stored_name(name) for name in half}), options,
                    providers=[providers[device]]) for half in halves]
            except Exception as error:  # as above
                raise ValueError(f'{path} cannot be divided into what is prepared and the rest: {error}') from error
        self._parts = [(part, *({each.name for each in values} for values in (part.get_inputs(), part.get_outputs())))
                       for part in parts]

    def __repr__(self) -> str:
        return f'ONNX Runtime {self.version}'

    def __call__(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        """Runs the parts of the network that the outputs need; see :class:`Session`."""
        results = {}
        for part, taken, given in self._parts:
            wanted = [name for name in outputs if self.card.stored_name(name) in given]
            if wanted:
                feed = {name: inputs[name] for name in taken}
                results.update(zip(wanted, part.run(list(map(self.card.stored_name, wanted)), feed)))
        return results

    def prepare(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Computes the prepared inputs from the templates alone."""
        return self(inputs, [each.name for each in self.card.inputs if each.role == 'prepared'])
