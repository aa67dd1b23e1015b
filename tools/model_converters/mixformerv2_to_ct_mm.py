"""Converts a released checkpoint of MixFormerV2 for `ct_mm.MixFormerV2`.

For example:

    python tools/model_converters/mixformerv2_to_ct_mm.py mixformerv2_base.pth.tar mixformerv2_b.pth --ignore-objects
"""
import argparse
import sys
from typing import Optional, Sequence

from ct_mm import cli


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of this script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('src', help='checkpoint of MixFormerV2, such as mixformerv2_base.pth.tar')
    parser.add_argument('dst', help='output file, such as checkpoints/mixformerv2_b.pth')
    parser.add_argument('--num-heads', type=int, help='number of attention heads (default: heads of width 64)')
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
    options.pop('debug')
    from ct_mm.tracking.models.mixformerv2.converter import convert_mixformerv2_file
    try:
        print(convert_mixformerv2_file(**options))
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')


if __name__ == '__main__':
    cli.run(main)
