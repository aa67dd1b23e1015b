"""PackTrackInputs: the last step of a training pipeline."""
import cv2
import numpy as np
import torch
from mmengine.structures import InstanceData

from ct_mm.registry import TRANSFORMS
from ct_mm.tracking.structures.track_data_sample import TrackDataSample

from .pair_sides import PairTransform, pair_sides


@TRANSFORMS.register_module()
class PackTrackInputs(PairTransform):
    """Converts a cropped pair to the format that a tracker's ``loss`` takes.

    The result is a dict with two keys:

    * ``inputs``: ``template`` (3, Ht, Wt), or (N, 3, Ht, Wt) for N > 1 templates, and ``search`` (3, Hs, Ws); both are
      contiguous uint8 RGB tensors. After ``TemplateMask`` also ``template_mask`` (N, G, G) float32, N >= 1.
    * ``data_samples``: a ``TrackDataSample`` with ``gt_instances.bboxes`` (1, 4), xyxy float32 in pixels of the search
      crop, and the metainfo ``source``, the files that the pair came from. If the source of pairs names a ``task``,
      ``gt_instances.labels`` (1,) int64 holds its number. If it says by a ``score`` whether the target is in the search
      region, ``gt_instances.scores`` (1,) float32 holds it.
    """

    def transform(self, results: dict) -> dict:
        """Packs one pair.

        Raises:
            ValueError: The search box is not an ordered xyxy box, which means that ``CropPair`` has not run before.
        """
        box = np.array(results['search']['bbox'], np.float32)  # (4,)
        if not (box[2] > box[0] and box[3] > box[1]):
            raise ValueError(f'PackTrackInputs: the box {box.tolist()} of {results["source"]} is not xyxy in crop '
                             'pixels; put ct_mm.CropPair before it in the pipeline')
        sample = TrackDataSample(metainfo=dict(source=list(results['source'])))
        sample.gt_instances = InstanceData(bboxes=torch.from_numpy(box[None]))
        if 'task' in results:
            sample.gt_instances.labels = torch.tensor([results['task']])
        if 'score' in results:
            sample.gt_instances.scores = torch.tensor([results['score']], dtype=torch.float32)
        *sides, _ = pair_sides(results)
        *templates, searched = [self._to_tensor(side['img']) for side in pair_sides(results)]
        inputs = dict(template=torch.stack(templates) if len(templates) > 1 else templates[0], search=searched)
        if 'mask' in sides[0]:
            inputs['template_mask'] = torch.from_numpy(np.stack([side['mask'] for side in sides]))
        return dict(inputs=inputs, data_samples=sample)

    @staticmethod
    def _to_tensor(image: np.ndarray) -> torch.Tensor:
        channels = np.empty((3, *image.shape[:2]), np.uint8)
        cv2.split(image, list(channels))  # seven times as fast as a transposed copy
        return torch.from_numpy(channels)  # (3, H, W)
