"""Runs an exported network in PyTorch, without MMEngine and without the model code."""
from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ct_mm.tracking.runtime.model_card import CARD_KEY, ModelCard


class TorchSession:
    """Loads a ``.torchscript`` or a ``.pt2`` file.

    Both formats contain a program, so load only files from sources that you trust.

    Args:
        path: The file.
        device: PyTorch device; a network exported on a CPU runs on ``'cpu'``.
        threads: Number of CPU threads of the whole process. Default: PyTorch's choice.
        precision: ``'fp32'``, or ``'bf16'`` for bfloat16 autocast. Default: the file's own precision.

    Raises:
        ValueError: If the file is damaged or not a ct_mm tracker, or the precision is not supported.
    """

    def __init__(self, path: str | os.PathLike, device: str = 'cpu', threads: int | None = None,
                 precision: str | None = None) -> None:
        import torch
        if precision not in (None, 'fp32', 'bf16'):
            raise ValueError(f"{path}: in PyTorch precision is 'fp32' or 'bf16', not {precision!r}")
        if threads is not None:
            torch.set_num_threads(threads)
        extra = {f'{CARD_KEY}.json': ''}
        try:
            if Path(path).suffix == '.pt2':
                program = torch.export.load(os.fspath(path), extra_files=extra)
                network = program.module()
            else:
                network = torch.jit.load(os.fspath(path), map_location=device, _extra_files=extra)
        except Exception as error:  # the readers raise many types; all are re-raised
            raise ValueError(f'{path} cannot be loaded by PyTorch: {error}') from error
        card = extra[f'{CARD_KEY}.json']
        self.card = ModelCard.from_json(card.decode(errors='replace') if isinstance(card, bytes) else card, str(path))
        self._network, self._device, self._autocast = network.to(device), device, precision == 'bf16'
        self._torch = torch
        #: Whether it takes several targets at once.
        self.batched = False
        #: Precision in which it computes.
        self.precision = 'bf16' if self._autocast else self.card.precision
        self.version = torch.__version__.partition('+')[0]

    def __repr__(self) -> str:
        return f'PyTorch {self.version}'

    def __call__(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        """Runs the network; see :class:`Session`."""
        torch = self._torch
        with torch.inference_mode(), torch.autocast(self._device, torch.bfloat16, enabled=self._autocast):
            results = self._network(*(torch.from_numpy(np.ascontiguousarray(inputs[each.name])).to(self._device)
                                      for each in self.card.inputs))
        results = dict(zip(self.card.outputs, results))
        return {name: results[name].float().cpu().numpy() for name in outputs}

    def prepare(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Raises an error: a file of this format computes everything in each frame."""
        raise ValueError(f'a file of {self!r} has no part that runs on templates alone; export the tracker again')
