"""LoadPair: opens the frames that SamplePair chose."""
import numpy as np
from mmcv.transforms import BaseTransform

from ct_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadPair(BaseTransform):
    """Opens the frames of a pair.

    Reads ``sequence`` and ``frame_ids``; adds ``search`` and ``template``, each a dict with ``img`` (H, W, 3) RGB
    uint8, ``bbox`` (4,) float64 xywh in pixels and ``source``, the file; and the list of all files as ``source``. Of
    several templates, ``template`` is a list of such dicts.

    Args:
        partial: Whether ``img`` is an ``ImageFile``, of which ``CropPair`` then decodes no more than it needs. The
            pixels are the same. Defaults to True.
    """

    def __init__(self, partial: bool = True) -> None:
        self.partial = partial

    def transform(self, results: dict) -> dict:
        """Adds ``template``, ``search`` and ``source``."""
        sequence, frame_ids = results['sequence'], results['frame_ids']
        # A frame that serves twice, as that of a photograph does, is read once.
        images = {frame: sequence.open_frame(frame) if self.partial else sequence[frame] for frame in set(frame_ids)}
        sides = [
            dict(
                img=images[frame], bbox=np.array(sequence.boxes[frame], np.float64), source=sequence.frame_name(frame))
            for frame in frame_ids
        ]
        results['search'] = sides.pop()
        results['template'] = sides if len(sides) > 1 else sides[0]
        results['source'] = [sequence.frame_name(frame) for frame in frame_ids]
        return results

    def __repr__(self) -> str:
        return f'LoadPair(partial={self.partial})'
