"""The shipped configs that are compressed, and what a user writes under ``compress`` for each."""
from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Row:
    """A shipped config and its compression.

    Args:
        library: ``mmpretrain``, ``mmdet`` or ``mmseg``.
        config: Path in the library's configs, without suffix.
        compress: What the user's config sets under ``compress``, without the teacher.
        fraction: By how much the images of a detector or a segmenter are smaller than the shipped ones, in each
            direction.
    """

    library: str
    config: str
    compress: dict[str, Any]
    fraction: int = 4

    @property
    def name(self) -> str:
        """Its name in the table, and of its folder."""
        return f'{self.library}/{self.config.rpartition("/")[2]}'

    @property
    def base(self) -> str:
        """What a config that inherits from it names as its base."""
        if self.library != 'mmseg':
            return f'{self.library}::{self.config}.py'
        # MMEngine looks for a distribution called mmsegmentation, not for that of the maintained fork
        package = Path(importlib.util.find_spec(self.library).origin).parent
        return str(package / '.mim' / 'configs' / f'{self.config}.py')


def _kl(predictions: str) -> dict[str, Any]:
    return dict(predictions=predictions, guidance=dict(type='ct_mm.OutputGuidanceLoss', loss='kl', temperature=2.0))


#: Swin's four runs of blocks: only the third is divided, into stages that end where the windows are shifted alike.
SWIN_T = dict(layers='backbone.stages.2.blocks', stage_sizes=[3, 3])
ROWS = [
    Row('mmpretrain', 'mae/benchmarks/vit-base-p16_8xb128-coslr-100e_in1k', dict(num_stages=4, **_kl('head.fc'))),
    Row('mmpretrain', 'deit/deit-small_4xb256_in1k', dict(num_stages=4, **_kl('head.layers.head'))),
    Row('mmpretrain', 'deit3/deit3-small-p16_64xb64_in1k', dict(num_stages=6, guidance=None)),
    Row('mmpretrain', 'swin_transformer/swin-tiny_16xb64_in1k', dict(SWIN_T, **_kl('head.fc'))),
    Row('mmpretrain', 'convnext/convnext-tiny_32xb128_in1k', dict(layers='backbone.stages.2', num_stages=3,
                                                                 **_kl('head.fc'))),
    Row('mmpretrain', 'spark/benchmarks/convnextv2-tiny_8xb256-coslr-300e_in1k',
        dict(layers='backbone.stages.2', num_stages=3, **_kl('head.fc'))),
    Row('mmdet', 'detr/detr_r50_8xb2-150e_coco',
        dict(layers=['encoder.layers', 'decoder.layers'], num_stages=3,
             predictions=['bbox_head.fc_cls', 'bbox_head.fc_reg'],
             guidance=dict(type='ct_mm.OutputGuidanceLoss', loss=['kl', 'l1']))),
    Row('mmdet', 'deformable_detr/deformable-detr_r50_16xb2-50e_coco',
        dict(layers=['encoder.layers', 'decoder.layers'], num_stages=3, guidance=None)),
    Row('mmdet', 'mask2former/mask2former_swin-t-p4-w7-224_8xb2-lsj-50e_coco',
        dict(layers=['backbone.stages.2.blocks', 'panoptic_head.transformer_decoder.layers'],
             stage_sizes=[[3, 3], [1, 4, 4]], guidance=None)),
    Row('mmseg', 'segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512',
        dict(layers='backbone', num_stages=1, guidance=None)),
    Row('mmseg', 'swin/swin-tiny-patch4-window7-in1k-pre_upernet_8xb2-160k_ade20k-512x512',
        dict(SWIN_T, guidance=None)),
    Row('mmseg', 'segmenter/segmenter_vit-t_mask_8xb1-160k_ade20k-512x512',
        dict(layers='backbone.layers', num_stages=4, **_kl('decode_head.mask_norm'))),
]
