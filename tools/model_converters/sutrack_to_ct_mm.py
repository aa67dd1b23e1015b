"""Converts a released checkpoint of SUTrack for `ct_mm.SUTrack`.

For example:

    python tools/model_converters/sutrack_to_ct_mm.py SUTRACK_ep0180.pth.tar sutrack_b224.pth --ignore-objects
"""
import argparse
import sys
from typing import Optional, Sequence

from ct_mm import cli


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of this script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('src', help='checkpoint of SUTrack, such as SUTRACK_ep0180.pth.tar')
    parser.add_argument('dst', help='output file, such as checkpoints/sutrack_b224.pth')
    parser.add_argument('--search-size', type=int, help='side of the search region in pixels (default: as the position '
                        'table says, if it does)')
    parser.add_argument('--template-size', type=int, help='side of a template in pixels (default: half of it)')
    parser.add_argument('--num-templates', type=int, help='number of templates (default: 1 for T224, 2 for B and L)')
    parser.add_argument('--num-heads', type=int, help='number of attention heads (default: heads of width 64)')
    parser.add_argument('--clip', help='state dict of CLIP ViT-L/14, for a file without its text side')
    parser.add_argument(
        '--ignore-objects',
        action='store_true',
        help='read only the tensors of a file that holds more (the released ones hold training settings); no code from '
        'the file runs')
    cli.add_debug(parser)
    return parser


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the script.

    Args:
        argv: The arguments; those of the process by default.
    """
    options = vars(build_parser().parse_args(argv))
    del options['debug']
    from ct_mm.tracking.models.sutrack.converter import convert_sutrack_file
    try:
        print(convert_sutrack_file(**options))
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')


if __name__ == '__main__':
    cli.run(main)
