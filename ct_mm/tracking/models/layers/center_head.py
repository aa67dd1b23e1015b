"""Centre head, which predicts the cell of the target, its offset in the cell and its size.

References:
    OSTrack, arXiv 2203.11991, section 3.3.
"""
from __future__ import annotations

import copy
import math
import warnings

import torch
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from torch import Tensor, nn

from ct_mm.registry import MODELS
from ct_mm.tracking.structures.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh

from .gaussian_focal_loss import gaussian_target


@MODELS.register_module()
class CenterHead(BaseModule):
    """Three convolutional branches on the search tokens: score map, offset map and size map.

    Args:
        in_channels: Width C of the tokens.
        feat_size: Side S of the search region in tokens.
        channels: Channels after the first convolution of a branch; each later convolution halves them.
        loss_giou: Config of the IoU loss of boxes.
        loss_l1: Config of the L1 loss of boxes.
        loss_score: Config of the loss of the score map.
        clamp_size: Whether to clamp the size map to [1e-4, 1 - 1e-4] like the score map, as some trackers were trained.
        init_cfg: Initialisation config of MMEngine.

    Examples:
        >>> head = CenterHead(in_channels=32, feat_size=8, channels=16)
        >>> predictions = head(torch.rand(2, 8 * 8, 32))
        >>> predictions['score_map'].shape, predictions['boxes'].shape
        (torch.Size([2, 1, 8, 8]), torch.Size([2, 4]))
    """

    def __init__(self, in_channels: int, feat_size: int, channels: int = 256, loss_giou: dict | None = None,
                 loss_l1: dict | None = None, loss_score: dict | None = None, clamp_size: bool = False,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.feat_size, self.clamp_size = feat_size, clamp_size
        self.score = self._branch(in_channels, channels, 1)
        self.offset = self._branch(in_channels, channels, 2)
        self.size = self._branch(in_channels, channels, 2)
        # Most cells are background: start at a score of 0.1, so that they do not dominate (RetinaNet, section 4.1).
        nn.init.constant_(self.score[-1].bias, -math.log(9))
        self.loss_giou = MODELS.build(loss_giou or dict(type='ct_mm.GIoULoss', loss_weight=2.0))
        self.loss_l1 = MODELS.build(loss_l1 or dict(type='ct_mm.BoxL1Loss', loss_weight=5.0))
        self.loss_score = MODELS.build(loss_score or dict(type='ct_mm.GaussianFocalLoss', loss_weight=1.0))

    @staticmethod
    def _branch(in_channels: int, channels: int, out_channels: int) -> nn.Sequential:
        widths = [in_channels, channels, channels // 2, channels // 4, channels // 8]
        with warnings.catch_warnings():
            # mmcv warns about a bias before a batch norm, but the released models have one
            warnings.filterwarnings('ignore', message='Unnecessary conv bias')
            convs = [ConvModule(before, after, 3, padding=1, bias=True, norm_cfg=dict(type='BN'))
                     for before, after in zip(widths, widths[1:])]
        return nn.Sequential(*convs, nn.Conv2d(widths[-1], out_channels, 1))

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        """Predicts the box of the target from the search tokens.

        Args:
            tokens: Search tokens (B, S*S, C) in raster order.

        Returns:
            ``score_map`` (B, 1, S, S) in (0, 1); ``size_map`` (B, 2, S, S), normalised width and height;
            ``offset_map`` (B, 2, S, S), x and y in cells; ``boxes`` (B, 4), the box at the highest score, normalised
            cxcywh.
        """
        size = self.feat_size
        feature = tokens.transpose(1, 2).reshape(tokens.shape[0], -1, size, size)  # (B, C, S, S)
        # Use float32 from here: in half precision, 1 - 1e-4 rounds to 1, and log(1 - score) becomes infinite.
        score_map = self.score(feature).float().sigmoid().clamp(1e-4, 1 - 1e-4)
        size_map = self.size(feature).float().sigmoid()
        maps = dict(score_map=score_map, size_map=size_map.clamp(1e-4, 1 - 1e-4) if self.clamp_size else size_map,
                    offset_map=self.offset(feature).float())
        return dict(maps, boxes=self.decode(**maps))

    @staticmethod
    def decode(score_map: Tensor, size_map: Tensor, offset_map: Tensor) -> Tensor:
        """Decodes the box at the highest score.

        Args:
            score_map: Score map (B, 1, S, S).
            size_map: Normalised width and height, (B, 2, S, S).
            offset_map: Offsets x and y in cells, (B, 2, S, S).

        Returns:
            Boxes (B, 4), normalised cxcywh.
        """
        side = score_map.shape[-1]
        peak = score_map.flatten(1).argmax(1)  # (B,)
        index = peak.view(-1, 1, 1).expand(-1, 2, 1)  # (B, 2, 1)
        wh = size_map.flatten(2).gather(2, index).squeeze(2)  # (B, 2)
        offset = offset_map.flatten(2).gather(2, index).squeeze(2)  # (B, 2)
        cell = torch.stack([peak % side, peak // side], dim=1)  # (B, 2)
        return torch.cat([(cell + offset) / side, wh], dim=1)

    def loss(self, predictions: dict[str, Tensor], boxes: Tensor) -> dict[str, Tensor]:
        """Computes the losses of the tracker (CompressTracker, L_track).

        Args:
            predictions: Output of ``forward``.
            boxes: Target boxes (B, 4), normalised cxcywh.

        Returns:
            ``loss_giou``, ``loss_l1`` and ``loss_score``, weighted.
        """
        # A target can extend beyond the search region; boxes are compared with the part inside (OSTrack).
        inside = xyxy_to_cxcywh(cxcywh_to_xyxy(boxes).clamp(0, 1))  # (B, 4)
        target = gaussian_target(boxes, self.feat_size)  # (B, 1, S, S)
        return dict(
            loss_giou=self.loss_giou(predictions['boxes'], inside), loss_l1=self.loss_l1(predictions['boxes'], inside),
            loss_score=self.loss_score(predictions['score_map'], target))

    def guidance_losses(self) -> dict[str, dict[str, nn.Module]]:
        """Returns the losses for prediction guidance, which are the losses of the head.

        Returns:
            The named losses for each prediction of ``forward``, called as ``loss(student, teacher)``.
        """
        to_teacher = copy.copy(self.loss_score)
        to_teacher.scale_target = True  # the peak of a teacher's score map is below 1
        return dict(boxes=dict(giou=self.loss_giou, l1=self.loss_l1), score_map=dict(score=to_teacher))


def read_windowed(head: nn.Module, predictions: dict[str, Tensor], window: Tensor) -> dict[str, Tensor]:
    """Finds the target in the maps, preferring positions near the last box.

    Args:
        head: A head with ``decode``, such as :class:`CenterHead`.
        predictions: Its output.
        window: Factor of each cell's score (1, 1, S, S), see :func:`hann_window`.

    Returns:
        ``box`` (B, 4), cxcywh normalised to the search region; ``score`` and ``response`` (B, 1), the score of its
        cell before and after the window; the three maps.
    """
    maps = {name: predictions[name] for name in ('score_map', 'size_map', 'offset_map')}
    response = maps['score_map'] * window  # (B, 1, S, S)
    peak = response.flatten(1).argmax(1, keepdim=True)  # (B, 1)
    return dict(box=head.decode(response, maps['size_map'], maps['offset_map']),
                score=maps['score_map'].flatten(1).gather(1, peak), response=response.flatten(1).gather(1, peak),
                **maps)


def hann_window(size: int) -> torch.Tensor:
    """Returns the outer product of two Hann windows without their zero ends.

    Args:
        size: Side of the score map in cells.

    Returns:
        The window (1, 1, size, size) float32, largest in the middle:
        ``0.5 * (1 - cos(2 pi k / (size + 1)))``, k = 1..size.

    Raises:
        ValueError: ``size`` is below 1.
    """
    if size < 1:
        raise ValueError(f'hann_window: size must be at least 1, not {size}')
    k = torch.arange(1, size + 1, dtype=torch.float64)
    window = 0.5 * (1 - torch.cos(2 * torch.pi * k / (size + 1)))  # (S,)
    return torch.outer(window, window)[None, None].float()  # (1, 1, S, S)
