"""The data sample of single-object tracking; the name and the fields follow mmtracking 1.x."""
from __future__ import annotations

from mmengine.structures import BaseDataElement, InstanceData


def _instances(name: str, doc: str) -> property:
    """Returns a property that holds an ``InstanceData`` in the data field ``name``."""

    def setter(self: TrackDataSample, value: InstanceData) -> None:
        self.set_field(value, name, dtype=InstanceData)

    return property(lambda self: getattr(self, name), setter, lambda self: delattr(self, name), doc)


class TrackDataSample(BaseDataElement):
    """Ground truth and predictions of one sequence (test) or one pair of crops (training).

    Fields (each an ``InstanceData``):

    * ``gt_instances``: in training, ``bboxes`` (1, 4) float32, xyxy in pixels of the search crop; if the pairs have
      them, ``labels`` (1,), the number of the task, and ``scores`` (1,), 1 if the target is in the search crop, else 0.
    * ``pred_track_instances``: after ``predict``, ``bboxes`` (T, 4) float, xywh in pixels of the image, whose first
      row is the given box, and ``scores`` (T,).

    Metainfo of a test sample: ``sequence_name``, ``image_size`` (w, h) in pixels, ``gt_boxes`` (T, 4) float64 xywh in
    pixels, ``visible`` (T,) bool, ``attributes`` and ``first_box_only``. Metainfo of a training sample: ``source``, the
    names of the files that the pair came from.

    Examples:
        >>> import torch
        >>> sample = TrackDataSample(metainfo=dict(source=['a.jpg', 'b.jpg']))
        >>> sample.gt_instances = InstanceData(bboxes=torch.tensor([[10., 20., 40., 60.]]))
        >>> sample.gt_instances.bboxes.shape
        torch.Size([1, 4])
    """

    gt_instances = _instances('_gt_instances', 'The annotated object.')
    pred_track_instances = _instances('_pred_track_instances', 'The predicted track.')
