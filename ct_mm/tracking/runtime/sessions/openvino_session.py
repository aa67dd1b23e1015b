"""Runs an exported network in OpenVINO."""
from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np

from ct_mm.tracking.runtime.model_card import CARD_KEY, TEMPLATE_ROLES, ModelCard

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
        except Exception as error:  # mostly a RuntimeError; all are re-raised
            raise ValueError(f'{path} cannot be loaded by OpenVINO: {error}') from error
        self.card = ModelCard.from_json(card, str(path))
        try:
            #: Whether it takes several targets at once.
            self.batched = all(value.partial_shape[0].is_dynamic for value in model.inputs)
            self._parts = []  # what runs in one piece: its request, and its inputs and outputs by name
            for part, inputs, outputs in self._divided(openvino, model):
                compiled = core.compile_model(part, device, settings)
                self._parts.append((compiled.create_infer_request(), inputs, outputs))
        except Exception as error:  # mostly a RuntimeError; all are re-raised
            raise ValueError(f'{path} cannot be loaded by OpenVINO: {error}') from error
        computes = {value: key for key, value in PRECISIONS.items()}
        #: Precision in which it computes; for int8 also that of the other operations.
        self.precision = computes.get(compiled.get_property('INFERENCE_PRECISION_HINT').get_type_name(), 'fp32')
        if self.card.precision == 'int8':
            self.precision = f'int8 + {self.precision}'
        self.version = openvino.__version__.partition('-')[0]

    def __repr__(self) -> str:
        return f'OpenVINO {self.version}'

    def _divided(self, openvino, model) -> list[tuple]:
        """Divides a network into what is prepared from the templates and the rest, which share no input."""
        inputs = [each.name for each in self.card.inputs]
        if not self.card.prepares:
            return [(model, inputs, list(self.card.outputs))]
        prepared = [each.name for each in self.card.inputs if each.role == 'prepared']
        shown = [each.name for each in self.card.inputs if each.role in TEMPLATE_ROLES]
        halves = ((shown, prepared), ([name for name in inputs if name not in shown],
                                      [name for name in self.card.outputs if name not in prepared]))
        return [(openvino.Model([model.output(self.card.stored_name(name)).node for name in outputs],
                                [model.input(name).node for name in inputs]), inputs, outputs)
                for inputs, outputs in halves]

    def __call__(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        """Runs the parts of the network that the outputs need; see :class:`Session`."""
        results = {}
        for request, taken, given in self._parts:
            if set(given) & set(outputs):
                request.infer({name: inputs[name] for name in taken}, share_inputs=True, share_outputs=True)
                results.update({name: request.get_tensor(self.card.stored_name(name)).data.copy()
                                for name in given if name in outputs})
        return results

    def prepare(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Computes the prepared inputs from the templates alone."""
        return self(inputs, [each.name for each in self.card.inputs if each.role == 'prepared'])
