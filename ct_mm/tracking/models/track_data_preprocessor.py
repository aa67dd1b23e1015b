"""Device, stacking and normalisation of templates and search regions."""
from __future__ import annotations

from typing import Sequence

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from ct_mm.registry import MODELS


@MODELS.register_module()
class TrackDataPreprocessor(BaseDataPreprocessor):
    """Moves uint8 crops to the device and normalises them there.

    Samples stay where they are: a tracker stacks what it needs of them and moves it at once, which is one copy and not
    one for each pair.

    Args:
        mean: Mean of each RGB channel, in 0..255.
        std: Standard deviation of each RGB channel, in 0..255.
        non_blocking: Whether copies to the device may overlap with computation.
    """

    def __init__(self, mean: Sequence[float] = (123.675, 116.28, 103.53),
                 std: Sequence[float] = (58.395, 57.12, 57.375), non_blocking: bool = False) -> None:
        super().__init__(non_blocking)
        self.register_buffer('mean', torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer('std', torch.tensor(std).view(3, 1, 1), persistent=False)

    def normalize(self, images: Tensor) -> Tensor:
        """uint8 images (..., 3, H, W) in RGB -> normalised float images of the same shape."""
        return (images - self.mean) / self.std

    def forward(self, data: dict, training: bool = False) -> dict:
        """Prepares a batch.

        Args:
            data: ``inputs`` holds lists (or stacks) of uint8 images (3, H, W) under ``template`` and
                ``search``, or whole sequences under ``video``, which pass through as they are: a tracker
                crops them itself. Several templates of a pair are (N, 3, H, W). ``data_samples`` is a list of
                samples.
            training: Not used; the signature is MMEngine's.

        Returns:
            The same structure; every image entry is a normalised tensor (B, 3, H, W), or (B, N, 3, H, W).

        Raises:
            ValueError: If the images of a batch differ in size; the message names them.
        """
        inputs = {
            name: value if name == 'video' else self.normalize(self.cast_data(self._stack(name, value)))
            for name, value in data['inputs'].items()
        }
        return dict(data, inputs=inputs)

    @staticmethod
    def _stack(name: str, images: Sequence[Tensor] | Tensor) -> Tensor:
        if isinstance(images, Tensor):
            return images
        shapes = {tuple(image.shape) for image in images}
        if len(shapes) > 1:
            raise ValueError(f'the {name} images of one batch differ in shape: {sorted(shapes)}; '
                             f'check the sizes of the CropPair transform in the pipeline')
        return torch.stack(list(images))
