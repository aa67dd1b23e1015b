"""Runs an exported network in OpenVINO."""
from __future__ import annotations

import os

import numpy as np

from ct_mm.tracking.runtime.model_card import CARD_KEY, ModelCard

#: OpenVINO's names of the precisions.
PRECISIONS = dict(fp32='f32', bf16='bf16', fp16='f16')


class OpenVINOSession:
    """Loads an OpenVINO file, an ``.xml`` with its ``.bin`` in the same folder.

    Args:
        path: The ``.xml`` file.
        device: OpenVINO's device name, such as ``'cpu'``, ``'gpu'`` or ``'npu'``.
        threads: Number of CPU threads. Default: OpenVINO's choice.
        precision: ``'fp32'``, ``'bf16'`` or ``'fp16'`` for the operations that are not quantised. Default: the
            device's choice, which is bf16 on a CPU with bf16 instructions.

    Raises:
        ImportError: If openvino is not installed; says how to install it.
        ValueError: If the file is damaged or not a ct_mm tracker, or the device or precision is not available.
    """

    def __init__(self, path: str | os.PathLike, device: str = 'cpu', threads: int | None = None,
                 precision: str | None = None) -> None:
        try:
            import openvino
        except ImportError as error:
            raise ImportError(f'{path} needs OpenVINO: pip install openvino') from error
        if precision is not None and precision not in PRECISIONS:
            raise ValueError(f'{path}: precision must be one of {", ".join(PRECISIONS)}, not {precision!r}')
        core, device = openvino.Core(), device.upper()
        if device not in {name.partition('.')[0] for name in core.available_devices}:
            raise ValueError(f'{path}: OpenVINO has no device {device} here, only {", ".join(core.available_devices)}')
        settings = {'PERFORMANCE_HINT': 'LATENCY'}
        if threads is not None:
            settings['INFERENCE_NUM_THREADS'] = threads
        if precision is not None:
            settings['INFERENCE_PRECISION_HINT'] = PRECISIONS[precision]
        try:
            model = core.read_model(os.fspath(path))
            card = model.get_rt_info([CARD_KEY]).astype(str) if model.has_rt_info([CARD_KEY]) else None
            compiled = core.compile_model(model, device, settings)
            self._request = compiled.create_infer_request()
        except Exception as error:  # mostly a RuntimeError; all are re-raised
            raise ValueError(f'{path} cannot be loaded by OpenVINO: {error}') from error
        self.card = ModelCard.from_json(card, str(path))
        computes = {value: key for key, value in PRECISIONS.items()}
        #: Precision in which it computes; for int8 also that of the other operations.
        self.precision = computes.get(compiled.get_property('INFERENCE_PRECISION_HINT').get_type_name(), 'fp32')
        if self.card.precision == 'int8':
            self.precision = f'int8 + {self.precision}'
        self.version = openvino.__version__.partition('-')[0]

    def __repr__(self) -> str:
        return f'OpenVINO {self.version}'

    def outputs(self, template: np.ndarray, search: np.ndarray) -> dict[str, np.ndarray]:
        """Returns all outputs by name, see :class:`ModelCard`."""
        self._infer(template, search)
        return {output.get_any_name(): self._request.get_tensor(output).data.copy()
                for output in self._request.model_outputs}

    def __call__(self, template: np.ndarray, search: np.ndarray) -> tuple[np.ndarray, float]:
        """Returns the box (4,), cxcywh normalised to the search region, and the score."""
        self._infer(template, search)
        box, score = (self._request.get_tensor(name).data for name in ('box', 'score'))
        return box[0].copy(), float(score[0, 0])

    def _infer(self, template: np.ndarray, search: np.ndarray) -> None:
        self._request.infer({'template': template, 'search': search}, share_inputs=True, share_outputs=True)
