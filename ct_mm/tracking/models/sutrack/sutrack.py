"""SUTrack: Fast-iTPN on templates, search region and text, and a centre head on the search tokens.

References:
    SUTrack: Towards Simple and Unified Single Object Tracking, arXiv 2412.19138.
"""
from __future__ import annotations

import torch
from torch import Tensor

from ct_mm.registry import MODELS
from ct_mm.tracking.models.layers.center_head import hann_window, read_windowed
from ct_mm.tracking.runtime.geometries import SquareCrops
from ct_mm.tracking.runtime.memories import Memory, build_memory
from ct_mm.tracking.structures import TrackDataSample
from ct_mm.tracking.structures.boxes import xyxy_to_cxcywh

from ..base_tracker import BaseTracker
from .fast_itpn import STRIDE


@MODELS.register_module()
class SUTrack(BaseTracker):
    """RGB tracker with one or several templates, of which the newest are exchanged while tracking.

    Args:
        backbone: Config of a backbone. It is called as ``backbone(template, template_mask, search)``, returns tokens
            (B, T, C), and has ``search_tokens``, ``template_size``, ``search_size`` and ``num_templates``.
        head: Config of the head, which is called with the search tokens.
        task_head: Config of a head that is trained to tell the tasks of the training data apart. Default: none.
        template_factor: Side of the template crop divided by the square root of the target's area.
        search_factor: Side of the search crop divided by the square root of the target's area.
        margin: Minimum width and height of a box in pixels, and of its part inside the frame.
        memory: Rule for the templates, such as ``dict(type='updated', interval=25, threshold=0.7)``; the number of
            slots is that of the backbone. Default: this one, as published, or for one template ``dict(type='fixed')``.
        data_preprocessor: Config of the data preprocessor. Default: ``ct_mm.TrackDataPreprocessor``.
        init_cfg: Initialisation config of MMEngine.

    Raises:
        ValueError: If the memory is no such rule, or has another number of slots than the backbone takes templates.

    Examples:
        >>> import numpy as np
        >>> tracker = SUTrack(
        ...     backbone=dict(type='ct_mm.FastITPN', embed_dim=32, depth=1, num_heads=2, stem_depths=(1, 1),
        ...                   template_size=64, search_size=128),
        ...     head=dict(type='ct_mm.CenterHead', in_channels=32, feat_size=8, channels=16)).eval()
        >>> image = np.zeros((240, 320, 3), np.uint8)
        >>> tracker.init(image, np.array([100., 80, 40, 40]))
        >>> box, score = tracker.track(image)
        >>> box.shape
        (4,)
    """

    outputs = ('box', 'score', 'response', 'score_map', 'size_map', 'offset_map')

    def __init__(self, backbone: dict, head: dict, task_head: dict | None = None, template_factor: float = 2.0,
                 search_factor: float = 4.0, margin: float = 10.0, memory: dict | None = None,
                 data_preprocessor: dict | None = None, init_cfg: dict | None = None) -> None:
        super().__init__(data_preprocessor or dict(type='ct_mm.TrackDataPreprocessor'), init_cfg)
        self.backbone = MODELS.build(backbone)
        self.head = MODELS.build(head)
        self.task_head = MODELS.build(task_head) if task_head else None
        self.geometry = SquareCrops(self.backbone.template_size, self.backbone.search_size, template_factor,
                                    search_factor, margin, mask_cell=STRIDE)
        self.memory = self._build_memory(memory, self.backbone.num_templates)
        self.register_buffer('window', hann_window(self.head.feat_size), persistent=False)

    @staticmethod
    def _build_memory(memory: dict | None, slots: int) -> Memory:
        published = dict(type='fixed') if slots == 1 else dict(type='updated', interval=25, threshold=0.7)
        built = build_memory(dict(dict(slots=slots), **(published if memory is None else memory)))
        if built.slots != slots:
            raise ValueError(f'memory={memory} shows {built.slots} templates, but the backbone was built with '
                             f'num_templates={slots}: remove slots from memory, or set it to {slots}')
        return built

    def _forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Computes the raw predictions of the head for a batch of pairs."""
        return self.head(self.backbone.search_tokens(self._tokens(inputs)))

    def _tokens(self, inputs: dict[str, Tensor]) -> Tensor:
        """Returns all tokens (B, T, C) of a batch of pairs, after the final norm."""
        if 'template_mask' not in inputs:
            raise ValueError('SUTrack needs template_mask: put ct_mm.TemplateMask after ct_mm.CropPair in the pipeline')
        template = inputs['template']
        template = template.unsqueeze(1) if template.dim() == 4 else template  # (B, n, 3, Ht, Wt)
        return self.backbone(template, inputs['template_mask'], inputs['search'], inputs.get('text'))

    def loss(self, inputs: dict[str, Tensor], data_samples: list[TrackDataSample]) -> dict[str, Tensor]:
        """Computes the losses of a batch of pairs.

        Args:
            inputs: ``template`` (B, n, 3, Ht, Wt) or, for one template, (B, 3, Ht, Wt), and ``search`` (B, 3, Hs, Ws),
                normalised; ``template_mask`` (B, n, G, G); optionally ``text`` (B, 1, C) instead of the constant token.
            data_samples: One sample for each pair; ``gt_instances.bboxes`` (1, 4) is xyxy in pixels of the search crop,
                ``gt_instances.labels`` (1,) the number of the task, 0 (RGB) if it is missing.

        Returns:
            The weighted losses of the heads.
        """
        tokens = self._tokens(inputs)
        predictions = self.head(self.backbone.search_tokens(tokens))
        truth = [sample.gt_instances for sample in data_samples]
        boxes = torch.cat([instances.bboxes for instances in truth]).to(tokens.device)  # (B, 4)
        # Not divided by the side, as decoding would have it: the released models were trained so.
        losses = self.head.loss(predictions, xyxy_to_cxcywh(boxes) / (inputs['search'].shape[-1] - 1))
        if self.task_head is not None:
            labels = torch.cat([instances.get('labels', torch.zeros(1, dtype=torch.long)) for instances in truth])
            losses.update(self.task_head.loss(tokens, labels.to(tokens.device)))
        return losses

    def read_out(self, predictions: dict[str, Tensor]) -> dict[str, Tensor]:
        """Finds the target in the maps, preferring nearby positions (Hann window).

        Args:
            predictions: Output of the head.

        Returns:
            See :func:`read_windowed`.
        """
        return read_windowed(self.head, predictions, self.window)
