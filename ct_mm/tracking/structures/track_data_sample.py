"""The data sample of single-object tracking; the name and the fields follow mmtracking 1.x."""
from mmengine.structures import BaseDataElement, InstanceData


class TrackDataSample(BaseDataElement):
    """What is known and what is predicted about one sequence (test) or one pair of crops (training).

    Fields (each an ``InstanceData``):

    * ``gt_instances``: in training, ``bboxes`` (1, 4) float32, xyxy in pixels of the search crop.
    * ``pred_track_instances``: after ``predict``, ``bboxes`` (T, 4) float, xywh in pixels of the image, row 0 being
      the given box, and ``scores`` (T,).

    Metainfo of a test sample: ``sequence_name``, ``image_size`` (w, h) in pixels, ``gt_boxes`` (T, 4) float64 xywh
    in pixels, ``visible`` (T,) bool. Metainfo of a training sample: ``source``, the names of the files it came from.
    """

    @property
    def gt_instances(self) -> InstanceData:
        """The annotated object."""
        return self._gt_instances

    @gt_instances.setter
    def gt_instances(self, value: InstanceData) -> None:
        self.set_field(value, '_gt_instances', dtype=InstanceData)

    @gt_instances.deleter
    def gt_instances(self) -> None:
        del self._gt_instances

    @property
    def pred_track_instances(self) -> InstanceData:
        """The predicted track."""
        return self._pred_track_instances

    @pred_track_instances.setter
    def pred_track_instances(self, value: InstanceData) -> None:
        self.set_field(value, '_pred_track_instances', dtype=InstanceData)

    @pred_track_instances.deleter
    def pred_track_instances(self) -> None:
        del self._pred_track_instances
