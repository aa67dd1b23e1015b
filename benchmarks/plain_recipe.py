"""A plain implementation of CompressTracker's training step, which training_step.py compares with ours.

Three ViT-sized models in memory: the student, a frozen copy of the teacher's blocks that runs stages of the path, and a
complete second teacher for the targets. Attention matrices are materialised, everything is float32, AdamW is PyTorch's
default. Head and losses are the package's own, so that the two differ only in the recipe; teachers are in eval mode.
"""
from __future__ import annotations

import torch
import torch.nn.functional as F
from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn

from ct_mm.registry import MODELS


class Block(nn.Module):
    """A pre-norm transformer block with a T x T attention matrix."""

    def __init__(self, width: int, heads: int, drop_path: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn = nn.ModuleDict(dict(qkv=nn.Linear(width, 3 * width), proj=nn.Linear(width, width)))
        self.mlp = nn.ModuleDict(dict(fc1=nn.Linear(width, 4 * width), fc2=nn.Linear(4 * width, width)))
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()

    def attend(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        batch, length, width = x.shape
        qkv = self.attn['qkv'](x).reshape(batch, length, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each (B, nh, T, hd)
        weights = (query @ key.transpose(-2, -1) * query.shape[-1]**-0.5).softmax(dim=-1)  # (B, nh, T, T)
        return self.attn['proj']((weights @ value).transpose(1, 2).reshape(batch, length, width))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        x = x + self.drop_path(self.attend(self.norm1(x)))
        return x + self.drop_path(self.mlp['fc2'](F.gelu(self.mlp['fc1'](self.norm2(x)))))


class Tracker(nn.Module):
    """A one-stream ViT and a centre head, with the parameter names of a ``ct_mm.OSTrack``."""

    def __init__(self, width: int, depth: int, heads: int, template: int, search: int, drop_path: float,
                 channels: int) -> None:
        super().__init__()
        self.tokens = ((template // 16)**2, (search // 16)**2)
        backbone = self.backbone = nn.Module()
        backbone.patch_embed = nn.ModuleDict(dict(proj=nn.Conv2d(3, width, 16, 16)))
        backbone.pos_embed_template = nn.Parameter(torch.zeros(1, self.tokens[0], width))
        backbone.pos_embed_search = nn.Parameter(torch.zeros(1, self.tokens[1], width))
        backbone.blocks = nn.ModuleList(Block(width, heads, drop_path * i / max(depth - 1, 1)) for i in range(depth))
        backbone.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = MODELS.build(
            dict(type='ct_mm.CenterHead', in_channels=width, feat_size=search // 16, channels=channels))

    def forward(self, template: Tensor, search: Tensor, stages: list[list[nn.Module]]) -> tuple[list[Tensor], dict]:
        """Runs the blocks of each stage; returns the tokens at the stage ends and the predictions."""
        backbone = self.backbone
        embed = backbone.patch_embed['proj']
        tokens = torch.cat([embed(template).flatten(2).transpose(1, 2) + backbone.pos_embed_template,
                            embed(search).flatten(2).transpose(1, 2) + backbone.pos_embed_search], dim=1)
        ends = []
        for stage in stages:
            for block in stage:
                tokens = block(tokens)
            ends.append(tokens)
        return ends, self.head(backbone.norm(tokens)[:, self.tokens[0]:])


class PlainRecipe(nn.Module):
    """The student in training, and its teachers.

    Args:
        teacher: Weights of the teacher, under the names of a ``ct_mm.OSTrack``.
        num_stages: Stages K; must divide the depth.
        shape: Arguments of :class:`Tracker`.
    """

    def __init__(self, teacher: dict[str, Tensor], num_stages: int, **shape: float) -> None:
        super().__init__()
        self.target_teacher, self.student, self.path_teacher = Tracker(**shape), Tracker(**shape), Tracker(**shape)
        for model in (self.target_teacher, self.student, self.path_teacher):
            model.load_state_dict(teacher)
        self.path_teacher = self.path_teacher.backbone.blocks
        self.size = len(self.path_teacher) // num_stages
        self.student.backbone.blocks = self.student.backbone.blocks[self.size - 1::self.size]
        self.target_teacher.requires_grad_(False)
        self.path_teacher.requires_grad_(False)

    def train(self, mode: bool = True) -> PlainRecipe:
        """Keeps the teachers in eval mode."""
        super().train(mode)
        self.target_teacher.eval()
        self.path_teacher.eval()
        return self

    def loss(self, template: Tensor, search: Tensor, boxes: Tensor, path: tuple[bool, ...]) -> Tensor:
        """The published sum of losses.

        Args:
            template: (B, 3, Ht, Wt), normalised.
            search: (B, 3, Hs, Ws), normalised.
            boxes: (B, 4), cxcywh normalised.
            path: For each stage whether the student runs it.
        """
        blocks, size = self.path_teacher, self.size
        with torch.no_grad():
            whole = self.target_teacher.backbone.blocks
            targets, guide = self.target_teacher(
                template, search, [list(whole[i:i + size]) for i in range(0, len(whole), size)])
        stages = [[layer] if by_student else list(blocks[i * size:(i + 1) * size])
                  for i, (by_student, layer) in enumerate(zip(path, self.student.backbone.blocks))]
        ends, predictions = self.student(template, search, stages)
        head, split = self.student.head, self.student.tokens[0]
        mimic = sum((F.mse_loss(s[:, :split], t[:, :split]) + F.mse_loss(s[:, split:], t[:, split:])) / 2
                    for s, t in zip(ends, targets)) / len(ends)
        guidance = sum(loss(predictions['boxes'], guide['boxes']) for loss in (head.loss_giou, head.loss_l1))
        return sum(head.loss(predictions, boxes).values()) + 0.2 * mimic + guidance
