"""LoRAT: DINOv2 on template and search region, and a head that predicts a box at every search token.

References:
    Tracking Meets LoRA: Faster Training, Larger Model, Stronger Performance, arXiv 2403.05231.
"""
from __future__ import annotations

import torch
from torch import Tensor

from ct_mm.registry import MODELS
from ct_mm.tracking.runtime.geometries import ContextCrops
from ct_mm.tracking.structures import TrackDataSample
from ct_mm.tracking.structures.boxes import xyxy_to_cxcywh

from ..base_tracker import BaseTracker


@MODELS.register_module()
class LoRAT(BaseTracker):
    """Tracker with one template, which is never updated, and crops that keep the context of an elongated target.

    Args:
        backbone: Config of a backbone. It is called as ``backbone(template, template_mask, search)``, returns tokens
            (B, T, C) with the search tokens last, and has ``template_size`` and ``search_size`` in pixels.
        head: Config of the head, which is called with the search tokens.
        template_factor: Side of the template crop of a square target divided by the target's side.
        search_factor: The same ratio for the search region.
        window_weight: Weight w of the Hann window in ``(1 - w) * score + w * window``, which chooses the cell.
        data_preprocessor: Config of the data preprocessor. Default: ``ct_mm.TrackDataPreprocessor``.
        init_cfg: Initialisation config of MMEngine.

    Examples:
        >>> import numpy as np
        >>> tracker = LoRAT(
        ...     backbone=dict(type='ct_mm.OneStreamDINOv2', embed_dim=32, depth=1, num_heads=2, template_size=56,
        ...                   search_size=112),
        ...     head=dict(type='ct_mm.LoRATHead', in_channels=32, feat_size=8)).eval()
        >>> image = np.zeros((240, 320, 3), np.uint8)
        >>> tracker.init(image, np.array([100., 80, 40, 40]))
        >>> box, score = tracker.track(image)
        >>> box.shape
        (4,)
    """

    outputs = ('box', 'score', 'response', 'score_map')

    def __init__(self, backbone: dict, head: dict, template_factor: float = 2.0, search_factor: float = 4.0,
                 window_weight: float = 0.45, data_preprocessor: dict | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(data_preprocessor or dict(type='ct_mm.TrackDataPreprocessor'), init_cfg)
        self.backbone = MODELS.build(backbone)
        self.head = MODELS.build(head)
        self.geometry = ContextCrops(
            self.backbone.template_size, self.backbone.search_size, template_factor, search_factor,
            self.backbone.template_size // self.backbone.sides[0])
        self.window_weight = window_weight
        hann = torch.hann_window(self.head.feat_size, periodic=False)  # (S,), zero at both ends
        self.register_buffer('window', torch.outer(hann, hann).flatten(), persistent=False)  # (S*S,)

    def _forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Computes the raw predictions of the head for a batch of pairs."""
        if 'template_mask' not in inputs:
            raise ValueError("LoRAT needs template_mask: put dict(type='ct_mm.TemplateMask', rule='touched', cell=14) "
                             'after the crop in the pipeline')
        template, mask = inputs['template'], inputs['template_mask']  # (B, 3, Ht, Wt), (B, 1, G, G)
        if template.dim() != 4 or mask.shape[1] != 1:
            raise ValueError(f'LoRAT takes one template (B, 3, H, W), not {tuple(template.shape)}, and its mask '
                             f'(B, 1, G, G), not {tuple(mask.shape)}: set num_templates=1 in the source of pairs')
        tokens = self.backbone(template, mask[:, 0], inputs['search'])  # (B, T, C)
        return self.head(tokens[:, -self.head.feat_size**2:])

    def loss(self, inputs: dict[str, Tensor], data_samples: list[TrackDataSample]) -> dict[str, Tensor]:
        """Computes the losses of a batch of pairs.

        Args:
            inputs: ``template`` (B, 3, Ht, Wt) and ``search`` (B, 3, Hs, Ws), normalised; ``template_mask``
                (B, 1, G, G).
            data_samples: One sample for each pair; ``gt_instances.bboxes`` (1, 4) is xyxy in pixels of the search crop.

        Returns:
            The weighted losses of the head.
        """
        boxes = torch.cat([sample.gt_instances.bboxes for sample in data_samples]).to(inputs['search'].device)  # (B, 4)
        return self.head.loss(self._forward(inputs), boxes, inputs['search'].shape[-1])

    def read_out(self, predictions: dict[str, Tensor]) -> dict[str, Tensor]:
        """Chooses a cell, preferring nearby positions (Hann window).

        Args:
            predictions: Output of the head.

        Returns:
            ``box`` (B, 4), cxcywh normalised to the search region; ``score`` and ``response`` (B, 1), the score of its
            cell without and with the window; ``score_map`` (B, 1, S, S).
        """
        logits, boxes = predictions['cells'].split([1, 4], dim=-1)  # (B, S*S, 1), (B, S*S, 4)
        scores = logits.squeeze(-1).sigmoid()  # (B, S*S)
        responses = (1 - self.window_weight) * scores + self.window_weight * self.window  # (B, S*S)
        peak = responses.argmax(1, keepdim=True)  # (B, 1)
        box = boxes.gather(1, peak.unsqueeze(-1).expand(-1, -1, 4)).squeeze(1)  # (B, 4)
        side = self.head.feat_size
        return dict(box=xyxy_to_cxcywh(box), score=scores.gather(1, peak), response=responses.gather(1, peak),
                    score_map=scores.unflatten(1, (1, side, side)))
