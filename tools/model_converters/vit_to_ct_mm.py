"""Converts a pretrained plain ViT (MAE, DeiT, DINO; timm's names) to initial weights of an OSTrack backbone.

For example:

    python tools/model_converters/vit_to_ct_mm.py mae_pretrain_vit_base.pth checkpoints/mae_vitb_256.pth
"""
import argparse
import sys
from typing import Optional, Sequence

from ct_mm import cli


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of this script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('src', help='weights, such as mae_pretrain_vit_base.pth, or an .npz')
    parser.add_argument('dst', help='output file; name it in model.backbone.init_cfg.checkpoint')
    parser.add_argument('--template-size', type=int, default=128, help='pixels (default: %(default)s)')
    parser.add_argument('--search-size', type=int, default=256, help='pixels (default: %(default)s)')
    cli.add_debug(parser)
    return parser


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the script.

    Args:
        argv: The arguments; those of the process by default.
    """
    args = build_parser().parse_args(argv)
    from ct_mm.engine.checkpoints.reading import read_state_dict
    from ct_mm.engine.checkpoints.writing import save_checkpoint
    from ct_mm.tracking.models.ostrack.converter.vit import convert_vit_weights, read_npz
    try:
        weights = read_npz(args.src) if args.src.endswith('.npz') else read_state_dict(args.src)
        state = convert_vit_weights(weights, args.template_size, args.search_size)
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')
    save_checkpoint(dict(state_dict=state), args.dst)
    depth = len({name.split('.')[1] for name in state if name.startswith('blocks.')})
    width, _, patch, _ = state['patch_embed.proj.weight'].shape
    print(f'{args.dst}: {len(state)} tensors, {depth} layers of width {width}, patch {patch}, '
          f'{state["pos_embed_template"].shape[1]} template and {state["pos_embed_search"].shape[1]} search tokens')


if __name__ == '__main__':
    cli.run(main)
