"""What every session offers: a network that an inference runtime has loaded."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from ct_mm.tracking.runtime.model_card import ModelCard


class Session(Protocol):
    """A network loaded by an inference runtime.

    ``batched`` says whether it takes several targets at once.
    """

    card: ModelCard
    precision: str
    batched: bool

    def __call__(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        """Runs the network.

        Args:
            inputs: Arrays by name, with the batch first, as the card says.
            outputs: Names of the outputs to return.
        """

    def prepare(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Computes the prepared inputs from the templates (and masks) alone."""
