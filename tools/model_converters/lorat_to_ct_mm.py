"""Converts a released checkpoint of LoRAT, and the DINOv2 beside it, for `ct_mm.LoRAT`.

For example:

    python tools/model_converters/lorat_to_ct_mm.py base_224.bin lorat_b224.pth --search-size 224 --dinov2 DINOV2.pth
"""
import argparse
import sys
from typing import Optional, Sequence

from ct_mm import cli


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of this script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('src', help='checkpoint of LoRAT (base_224.bin), or of ct_mm.LoRAT trained with LoRA')
    parser.add_argument('dst', help='output file, such as checkpoints/lorat_b224.pth')
    parser.add_argument('--search-size', type=int, help='side of the search region in pixels, 224 or 378, which the '
                        'file does not say')
    parser.add_argument('--template-size', type=int, help='side of the template in pixels (default: 112 for 224, 196 '
                        'for 378)')
    parser.add_argument('--dinov2', help='file of DINOv2 without registers, such as dinov2_vitb14_pretrain.pth')
    parser.add_argument('--num-heads', type=int, help='number of attention heads (default: heads of width 64)')
    parser.add_argument('--backbone-only', action='store_true',
                        help='src is a file of DINOv2: make starting weights of a training from it')
    cli.add_debug(parser)
    return parser


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the script.

    Args:
        argv: The arguments; those of the process by default.
    """
    args = vars(build_parser().parse_args(argv))
    del args['debug']
    from ct_mm.tracking.models.lorat.converter import convert_dinov2_file, convert_lorat_file
    try:
        if args.pop('backbone_only'):
            print(convert_dinov2_file(args['src'], args['dst'], args['search_size']))
        else:
            print(convert_lorat_file(**args))
    except (ImportError, OSError, ValueError) as error:
        sys.exit(f'error: {error}')


if __name__ == '__main__':
    cli.run(main)
