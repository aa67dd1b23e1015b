"""Converts a tracker's weights to other crop sizes: resizes its position embeddings and keeps everything else.

    python projects/evidence/resize.py SRC.pth DST.pth --template-size 56 --search-size 112
"""
from __future__ import annotations

import argparse
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from ct_mm import cli
from ct_mm.engine.checkpoints.reading import read_state_dict
from ct_mm.engine.checkpoints.writing import save_checkpoint


def resize_positions(state: dict[str, Tensor], grids: dict[str, int]) -> dict[str, Tensor]:
    """Weights of an OSTrack for other grids of tokens.

    Args:
        state: Weights, with ``backbone.pos_embed_template`` and ``backbone.pos_embed_search`` (1, G*G, C).
        grids: Side G' of the new grid in tokens for ``template`` and ``search``.
    """
    resized = {name: value.float() if value.is_floating_point() else value for name, value in state.items()}
    for side, grid in grids.items():
        old = resized[f'backbone.pos_embed_{side}']  # (1, G*G, C)
        width = round(old.shape[1]**0.5)
        image = old.transpose(1, 2).reshape(1, -1, width, width)  # (1, C, G, G)
        image = F.interpolate(image, size=grid, mode='bicubic', antialias=True)
        resized[f'backbone.pos_embed_{side}'] = image.flatten(2).transpose(1, 2).contiguous()  # (1, G'*G', C)
    return resized


def main(argv: Sequence[str] | None = None) -> None:
    """Reads, resizes, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('src')
    parser.add_argument('dst')
    parser.add_argument('--template-size', type=int, required=True, help='pixels')
    parser.add_argument('--search-size', type=int, required=True, help='pixels')
    cli.add_debug(parser)
    args = parser.parse_args(argv)
    state = read_state_dict(args.src)
    patch = state['backbone.patch_embed.proj.weight'].shape[-1]
    grids = dict(template=args.template_size // patch, search=args.search_size // patch)
    save_checkpoint(dict(state_dict=resize_positions(state, grids)), args.dst)


if __name__ == '__main__':
    cli.run(main)
