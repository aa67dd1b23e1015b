"""An exported network in OpenVINO."""
from __future__ import annotations

import os

import numpy as np

from ct_mm.tracking.runtime.model_card import CARD_KEY, ModelCard

#: What OpenVINO calls the precisions it may compute in.
PRECISIONS = dict(fp32='f32', bf16='bf16', fp16='f16')


class OpenVINOSession:
    """Loads an OpenVINO file, ``.xml`` with its ``.bin`` beside it.

    Args:
        path: The ``.xml`` file.
        device: OpenVINO's name of the device, such as ``'cpu'``, ``'gpu'`` or ``'npu'``.
        threads: Threads of the CPU. Default: OpenVINO's choice.
        precision: ``'fp32'``, ``'bf16'`` or ``'fp16'``: what is not quantised is computed in. Default: the device's
            choice, which on a CPU with bf16 instructions is bf16.

    Raises:
        ImportError: openvino is not installed; says how to get it.
        ValueError: The file is none of ours or damaged, or the device or precision is not to be had.
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
            raise ValueError(f'{path}: OpenVINO finds no device {device} here, but {", ".join(core.available_devices)}')
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
        except Exception as error:  # mostly a RuntimeError; none is swallowed
            raise ValueError(f'{path} cannot be loaded by OpenVINO: {error}') from error
        self.card = ModelCard.from_json(card, str(path))
        computes = {value: key for key, value in PRECISIONS.items()}
        #: What it computes in; for int8 also what it does the rest in.
        self.precision = computes.get(compiled.get_property('INFERENCE_PRECISION_HINT').get_type_name(), 'fp32')
        if self.card.precision == 'int8':
            self.precision = f'int8 + {self.precision}'
        self.version = openvino.__version__.partition('-')[0]

    def __repr__(self) -> str:
        return f'OpenVINO {self.version}'

    def outputs(self, template: np.ndarray, search: np.ndarray) -> dict[str, np.ndarray]:
        """All outputs by name, see :class:`ModelCard`."""
        self._infer(template, search)
        return {output.get_any_name(): self._request.get_tensor(output).data.copy()
                for output in self._request.model_outputs}

    def __call__(self, template: np.ndarray, search: np.ndarray) -> tuple[np.ndarray, float]:
        """Box (4,), cxcywh normalised to the search region, and score."""
        self._infer(template, search)
        box, score = (self._request.get_tensor(name).data for name in ('box', 'score'))
        return box[0].copy(), float(score[0, 0])

    def _infer(self, template: np.ndarray, search: np.ndarray) -> None:
        self._request.infer({'template': template, 'search': search}, share_inputs=True, share_outputs=True)
