"""Runs a tracker's network in PyTorch, as the sessions of exported files do."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ct_mm.tracking.runtime.model_card import ModelCard


class ModuleSession:
    """A session (:class:`ct_mm.tracking.runtime.sessions.session.Session`) of a PyTorch tracker.

    Args:
        tracker: A tracker with ``card``, ``network`` and ``prepare_raw``.
    """

    batched = True

    def __init__(self, tracker) -> None:
        self._tracker = tracker
        self.card: ModelCard = tracker.card()

    def __repr__(self) -> str:
        return f'PyTorch {torch.__version__.partition("+")[0]}, eager'

    @property
    def precision(self) -> str:
        """The precision in which the network computes."""
        return self._tracker.precision

    @torch.inference_mode()
    def __call__(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        """Runs the network; see :class:`Session`."""
        results = self._tracker.network(self._tensors(inputs))
        return {name: results[name].float().cpu().numpy() for name in outputs}

    @torch.inference_mode()
    def prepare(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Computes the prepared inputs from the templates alone."""
        return {name: value.float().cpu().numpy()
                for name, value in self._tracker.prepare_raw(self._tensors(inputs)).items()}

    def _tensors(self, inputs: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
        device = self._tracker.data_preprocessor.mean.device
        return {name: torch.from_numpy(value).to(device) for name, value in inputs.items()}
