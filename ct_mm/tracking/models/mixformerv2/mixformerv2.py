"""MixFormerV2: templates, search region and four regression tokens in one transformer, and a head on these four.

References:
    MixFormerV2: Efficient Fully Transformer Tracking, arXiv 2305.15896.
"""
from __future__ import annotations

import torch
from torch import Tensor

from ct_mm.registry import MODELS
from ct_mm.tracking.runtime.geometries import SquareCrops
from ct_mm.tracking.runtime.memories import FixedTemplate, UpdatedTemplate
from ct_mm.tracking.structures import TrackDataSample
from ct_mm.tracking.structures.boxes import xyxy_to_cxcywh

from ..base_tracker import BaseTracker
from .mixformerv2_vit import EDGES


@MODELS.register_module()
class MixFormerV2(BaseTracker):
    """Tracker with a first and an online template, whose keys and values can be computed once.

    Args:
        backbone: Config of a backbone, such as ``ct_mm.MixFormerV2ViT``.
        head: Config of the head, which is called with the regression tokens (B, 4, C).
        template_factor: Side of the template crop divided by the square root of the target's area.
        search_factor: Side of the search crop divided by the square root of the target's area.
        margin: Minimum width and height of a box in pixels, and of its part inside the frame.
        update_interval: Number of frames after which the best crop since then becomes the online template, or the first
            template if no score exceeded the threshold. ``None``: the templates stay, as they do without a score head
            and with one template. Published: 200 on LaSOT, 25 on TrackingNet, 10 (-B) and 15 (-S) on GOT-10k.
        update_threshold: The score that a crop must exceed.
        cache_templates: Compute keys and values of the templates only when one changes, instead of in each frame.
        train_score: Train the score head alone: everything else is frozen, and the only loss is that of the score.
        data_preprocessor: Config of the data preprocessor. Default: ``ct_mm.TrackDataPreprocessor``.
        init_cfg: Initialisation config of MMEngine.

    Raises:
        ValueError: If the score is to be trained, but the head has none.

    Examples:
        >>> tracker = MixFormerV2(
        ...     backbone=dict(type='ct_mm.MixFormerV2ViT', embed_dim=32, depth=2, num_heads=2, template_size=32,
        ...                   search_size=64),
        ...     head=dict(type='ct_mm.DistributionHead', in_channels=32, bins=24, score=True)).eval()
        >>> images = dict(template=torch.rand(1, 2, 3, 32, 32), search=torch.rand(1, 3, 64, 64))
        >>> tracker(images)['boxes'].shape
        torch.Size([1, 4])
    """

    outputs = ('box', 'score', 'edges')

    def __init__(self, backbone: dict, head: dict, template_factor: float = 2.0, search_factor: float = 4.5,
                 margin: float = 10.0, update_interval: int | None = 200, update_threshold: float = 0.5,
                 cache_templates: bool = True, train_score: bool = False, data_preprocessor: dict | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(data_preprocessor or dict(type='ct_mm.TrackDataPreprocessor'), init_cfg)
        self.backbone = MODELS.build(backbone)
        self.head = MODELS.build(head)
        self.geometry = SquareCrops(self.backbone.template_size, self.backbone.search_size, template_factor,
                                    search_factor, margin)
        slots = self.backbone.num_templates
        updated = update_interval is not None and self.head.score is not None and slots > 1
        self.memory = UpdatedTemplate(slots, update_interval, update_threshold, value='score', choose='best') \
            if updated else FixedTemplate(slots)
        self.prepared = dict(keys_values=self.backbone.prepared_shape) if cache_templates else {}
        self.train_score = train_score
        if train_score:
            if self.head.score is None:
                raise ValueError('model.train_score=True needs a score head: set model.head.score=True')
            self.requires_grad_(False)
            self.head.score.requires_grad_(True)

    def prepare(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Computes the keys and values of the templates.

        Args:
            inputs: ``template`` (B, n, 3, Ht, Wt), normalised.

        Returns:
            ``keys_values`` (B, L, 2, nh, n*Tz, hd), which ``forward`` takes in place of ``template``.
        """
        return dict(keys_values=self.backbone.prepare(_as_several(inputs['template'])))

    def _forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Computes the raw predictions of the head.

        Args:
            inputs: ``search`` (B, 3, Hs, Ws), and either ``template`` (B, n, 3, Ht, Wt) or ``keys_values``.
        """
        if 'keys_values' in inputs:
            tokens = self.backbone.search_only(inputs['search'], inputs['keys_values'])  # (B, Tx + 4, C)
        else:
            tokens = self.backbone(_as_several(inputs['template']), inputs['search'])  # (B, T, C)
        return self.head(tokens[:, -EDGES:])

    def loss(self, inputs: dict[str, Tensor], data_samples: list[TrackDataSample]) -> dict[str, Tensor]:
        """Computes the losses of a batch: of the box, or with ``train_score`` of the score alone.

        Args:
            inputs: ``template`` (B, n, 3, Ht, Wt) or, for one template, (B, 3, Ht, Wt), and ``search`` (B, 3, Hs, Ws),
                normalised.
            data_samples: One sample for each pair; ``gt_instances.bboxes`` (1, 4) is xyxy in pixels of the search crop,
                ``gt_instances.scores`` (1,) is 1 if the target is in the search region, else 0.

        Returns:
            The weighted losses of the head.

        Raises:
            ValueError: If the score is trained, but a sample has none.
        """
        return self._losses(self._forward(inputs), inputs['search'], data_samples)

    def _losses(self, predictions: dict[str, Tensor], search: Tensor,
                data_samples: list[TrackDataSample]) -> dict[str, Tensor]:
        truth = [sample.gt_instances for sample in data_samples]
        if self.train_score:
            if not all('scores' in instances for instances in truth):
                raise ValueError('model.train_score=True needs pairs with and without the target: take '
                                 'ct_mm.ScorePairs as the source of pairs')
            return self.head.score_loss(predictions, torch.cat([each.scores for each in truth]).to(search.device))
        height, width = search.shape[-2:]
        boxes = torch.cat([instances.bboxes for instances in truth]).to(search.device)  # (B, 4)
        return self.head.loss(predictions, xyxy_to_cxcywh(boxes) / boxes.new_tensor([width, height, width, height]))

    def read_out(self, predictions: dict[str, Tensor]) -> dict[str, Tensor]:
        """Reads box and score; there is no window.

        Args:
            predictions: Output of the head.

        Returns:
            ``box`` (B, 4), cxcywh normalised to the search region; ``score`` (B, 1), without a score head the mean
            over the edges of the largest probability; ``edges`` (B, 4, bins), the distributions.
        """
        edges = predictions['edges'].softmax(-1)
        score = predictions['score'].sigmoid() if 'score' in predictions else edges.amax(-1).mean(1)
        return dict(box=predictions['boxes'], score=score.unsqueeze(1), edges=edges)


def _as_several(template: Tensor) -> Tensor:
    """Returns templates (B, n, 3, H, W); a single one may come as (B, 3, H, W)."""
    return template.unsqueeze(1) if template.dim() == 4 else template
