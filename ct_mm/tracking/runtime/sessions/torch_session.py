"""An exported network in PyTorch, without MMEngine and without the code of the model."""
from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ct_mm.tracking.runtime.model_card import CARD_KEY, OUTPUTS, ModelCard


class TorchSession:
    """Loads a ``.torchscript`` or a ``.pt2`` file.

    Both formats hold a program, so they belong to the files that one only loads from people one trusts.

    Args:
        path: The file.
        device: Where it runs; what was exported on a CPU runs on ``'cpu'``.
        threads: Threads of the CPU. Default: PyTorch's choice.
        precision: ``'bf16'`` computes in bfloat16 where that is safe (autocast). Default: the file's own.

    Raises:
        ValueError: The file is none of ours or damaged, or the precision is not to be had.
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
        except Exception as error:  # whatever the formats' readers trip over; none is swallowed
            raise ValueError(f'{path} cannot be loaded by PyTorch: {error}') from error
        card = extra[f'{CARD_KEY}.json']
        self.card = ModelCard.from_json(card.decode(errors='replace') if isinstance(card, bytes) else card, str(path))
        self._network, self._device, self._autocast = network.to(device), device, precision == 'bf16'
        self._torch = torch
        #: What it computes in.
        self.precision = 'bf16' if self._autocast else self.card.precision
        self.version = torch.__version__.partition('+')[0]

    def __repr__(self) -> str:
        return f'PyTorch {self.version}'

    def outputs(self, template: np.ndarray, search: np.ndarray) -> dict[str, np.ndarray]:
        """All outputs by name, see :class:`ModelCard`."""
        torch = self._torch
        with torch.inference_mode(), torch.autocast(self._device, torch.bfloat16, enabled=self._autocast):
            inputs = (torch.from_numpy(image).to(self._device) for image in (template, search))
            outputs = self._network(*inputs)
        return {name: value.float().cpu().numpy() for name, value in zip(OUTPUTS, outputs)}

    def __call__(self, template: np.ndarray, search: np.ndarray) -> tuple[np.ndarray, float]:
        """Box (4,), cxcywh normalised to the search region, and score."""
        outputs = self.outputs(template, search)
        return outputs['box'][0], float(outputs['score'][0, 0])
