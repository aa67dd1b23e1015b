"""LoadPair: reads the two frames that SamplePair chose."""
import numpy as np
from mmcv.transforms import BaseTransform

from ct_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadPair(BaseTransform):
    """Reads both frames of a pair.

    Reads ``sequence`` and ``frame_ids``; adds ``template`` and ``search``, each with ``img`` (H, W, 3) RGB uint8 and
    ``bbox`` (4,) float64 xywh in pixels, and ``source``, the files of the two frames.
    """

    def transform(self, results: dict) -> dict:
        """Adds ``template``, ``search`` and ``source``."""
        sequence = results['sequence']
        for name, frame in zip(('template', 'search'), results['frame_ids']):
            results[name] = dict(img=sequence[frame], bbox=np.array(sequence.boxes[frame], np.float64))
        results['source'] = [sequence.frame_name(frame) for frame in results['frame_ids']]
        return results

    def __repr__(self) -> str:
        return 'LoadPair()'
