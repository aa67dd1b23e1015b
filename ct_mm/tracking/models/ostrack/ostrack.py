"""OSTrack: a single ViT for features and matching, and a centre head on the search tokens.

References:
    Joint Feature Learning and Relation Modeling for Tracking: A One-Stream Framework, arXiv 2203.11991.
"""
from __future__ import annotations

import torch
from torch import Tensor

from ct_mm.registry import MODELS
from ct_mm.tracking.models.layers.center_head import hann_window, read_windowed
from ct_mm.tracking.runtime.geometries import SquareCrops
from ct_mm.tracking.structures import TrackDataSample
from ct_mm.tracking.structures.boxes import xyxy_to_cxcywh

from ..base_tracker import BaseTracker


@MODELS.register_module()
class OSTrack(BaseTracker):
    """One-stream tracker. Candidate elimination is off by default; the backbone's ``ce_layers`` enable it.

    Args:
        backbone: Config of a backbone. It is called as ``backbone(template, search)``, returns tokens (B, T, C) with
            the search tokens last, and has ``template_size`` and ``search_size`` in pixels.
        head: Config of the head, which is called with the search tokens.
        template_factor: Side of the template crop divided by the square root of the target's area.
        search_factor: Side of the search crop divided by the square root of the target's area.
        margin: Minimum width and height of a box in pixels, and of its part inside the frame. With the published value
            of 10, a target of 5 pixels is lost quickly, since the next search region is twice as large.
        data_preprocessor: Config of the data preprocessor. Default: ``ct_mm.TrackDataPreprocessor``.
        init_cfg: Initialisation config of MMEngine.

    Examples:
        >>> tracker = OSTrack(
        ...     backbone=dict(type='ct_mm.OneStreamViT', embed_dim=32, depth=1, num_heads=2, template_size=64,
        ...                   search_size=128),
        ...     head=dict(type='ct_mm.CenterHead', in_channels=32, feat_size=8, channels=16)).eval()
        >>> image = np.zeros((240, 320, 3), np.uint8)
        >>> tracker.init(image, np.array([100., 80, 40, 40]))
        >>> box, score = tracker.track(image)
        >>> box.shape
        (4,)
    """

    outputs = ('box', 'score', 'score_map', 'size_map', 'offset_map')

    def __init__(self, backbone: dict, head: dict, template_factor: float = 2.0, search_factor: float = 4.0,
                 margin: float = 10.0, data_preprocessor: dict | None = None, init_cfg: dict | None = None) -> None:
        super().__init__(data_preprocessor or dict(type='ct_mm.TrackDataPreprocessor'), init_cfg)
        self.backbone = MODELS.build(backbone)
        self.head = MODELS.build(head)
        self.geometry = SquareCrops(self.backbone.template_size, self.backbone.search_size, template_factor,
                                    search_factor, margin)
        self.register_buffer('window', hann_window(self.head.feat_size), persistent=False)

    def _forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Computes the raw predictions of the head for a batch of pairs.

        Raises:
            ValueError: If a pair has several templates.
        """
        if inputs['template'].dim() != 4:
            raise ValueError(f'OSTrack takes one template (B, 3, H, W), not {tuple(inputs["template"].shape)}: set '
                             'num_templates=1 in ct_mm.SequencePairs')
        tokens = self.backbone(inputs['template'], inputs['search'])  # (B, T, C)
        return self.head(tokens[:, -self.head.feat_size**2:])

    def loss(self, inputs: dict[str, Tensor], data_samples: list[TrackDataSample]) -> dict[str, Tensor]:
        """Computes the losses of a batch of pairs (CompressTracker, L_track).

        Args:
            inputs: ``template`` (B, 3, Ht, Wt) and ``search`` (B, 3, Hs, Ws), normalised.
            data_samples: One sample for each pair; ``gt_instances.bboxes`` (1, 4) is xyxy in pixels of the search crop.

        Returns:
            The weighted losses of the head.
        """
        height, width = inputs['search'].shape[-2:]
        boxes = torch.cat([sample.gt_instances.bboxes for sample in data_samples]).to(inputs['search'].device)  # (B, 4)
        boxes = xyxy_to_cxcywh(boxes) / boxes.new_tensor([width, height, width, height])  # normalised
        return self.head.loss(self._forward(inputs), boxes)

    def read_out(self, predictions: dict[str, Tensor]) -> dict[str, Tensor]:
        """Finds the target in the maps, preferring positions near the last box (Hann window).

        Args:
            predictions: Output of the head.

        Returns:
            See :func:`read_windowed`.
        """
        return read_windowed(self.head, predictions, self.window)
