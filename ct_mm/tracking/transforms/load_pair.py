"""LoadPair: opens the frames that SamplePair chose."""
import numpy as np

from ct_mm.registry import TRANSFORMS

from .pair_sides import PairTransform


@TRANSFORMS.register_module()
class LoadPair(PairTransform):
    """Opens the frames of a pair.

    Reads ``sequence`` and ``frame_ids``. Adds ``search`` and ``template``, each a dict with ``img`` (H, W, 3) RGB
    uint8, ``bbox`` (4,) float64 xywh in pixels, and ``source``, the file. With several templates, ``template`` is a
    list of such dicts. Also adds ``source``, the list of all files.

    Args:
        partial: Whether ``img`` is an ``ImageFile``, so that ``CropPair`` decodes only the part that it needs. The
            pixels are the same either way. Defaults to True.
    """

    def __init__(self, partial: bool = True) -> None:
        self.partial = partial

    def transform(self, results: dict) -> dict:
        """Adds ``template``, ``search`` and ``source``."""
        sequence, frame_ids = results['sequence'], results['frame_ids']
        # A photograph's only frame serves as template and as search frame, but is read once.
        images = {frame: sequence.open_frame(frame) if self.partial else sequence[frame] for frame in set(frame_ids)}
        sides = [dict(img=images[frame], bbox=np.array(sequence.boxes[frame], np.float64),
                      source=sequence.frame_name(frame)) for frame in frame_ids]
        results['source'] = [side['source'] for side in sides]
        results['search'] = sides.pop()
        results['template'] = sides if len(sides) > 1 else sides[0]
        return results
