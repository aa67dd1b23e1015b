"""Moves, stacks and normalises templates and search regions."""
from __future__ import annotations

from typing import Sequence

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from ct_mm.registry import MODELS

#: Names of the inputs that are images.
IMAGES = ('template', 'search')


@MODELS.register_module()
class TrackDataPreprocessor(BaseDataPreprocessor):
    """Moves uint8 crops to the device and normalises them there.

    Data samples are not moved: a tracker stacks what it needs and moves it in one copy, instead of one per pair.

    Args:
        mean: Mean of each RGB channel, in 0..255.
        std: Standard deviation of each RGB channel, in 0..255.
        non_blocking: Whether copies to the device may overlap with computation.

    Examples:
        >>> crop = torch.zeros(3, 8, 8, dtype=torch.uint8)
        >>> batch = TrackDataPreprocessor()(dict(inputs=dict(template=[crop, crop], search=[crop, crop])))
        >>> batch['inputs']['search'].shape
        torch.Size([2, 3, 8, 8])
    """

    def __init__(self, mean: Sequence[float] = (123.675, 116.28, 103.53),
                 std: Sequence[float] = (58.395, 57.12, 57.375), non_blocking: bool = False) -> None:
        super().__init__(non_blocking)
        self.register_buffer('mean', torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer('std', torch.tensor(std).view(3, 1, 1), persistent=False)

    def normalize(self, images: Tensor) -> Tensor:
        """Normalises RGB uint8 images (..., 3, H, W) to float images of the same shape."""
        return (images - self.mean) / self.std

    def forward(self, data: dict, training: bool = False) -> dict:
        """Prepares a batch.

        Args:
            data: A batch. ``inputs`` holds lists or stacks of uint8 images (3, H, W), or (N, 3, H, W) for several
                templates per pair, under ``template`` and ``search``. Other arrays, such as ``template_mask``, are
                stacked and moved only. Sequences under ``video`` are not changed, since a tracker crops them itself.
                ``data_samples`` is a list of samples.
            training: Unused; part of MMEngine's interface.

        Returns:
            The same structure, with images as normalised tensors (B, 3, H, W) or (B, N, 3, H, W).

        Raises:
            ValueError: If the images of a batch differ in shape; the message lists the shapes.
        """
        inputs = {name: value if name == 'video' else self.cast_data(self._stack(name, value))
                  for name, value in data['inputs'].items()}
        inputs.update({name: self.normalize(inputs[name]) for name in IMAGES if name in inputs})
        return dict(data, inputs=inputs)

    @staticmethod
    def _stack(name: str, images: Sequence[Tensor] | Tensor) -> Tensor:
        if isinstance(images, Tensor):
            return images
        shapes = {tuple(image.shape) for image in images}
        if len(shapes) > 1:
            raise ValueError(f'the {name} images of a batch differ in shape: {sorted(shapes)}; '
                             'check the sizes in the CropPair transform of the pipeline')
        return torch.stack(list(images))
