"""Converts a released checkpoint of MixFormerV2 for `ct_mm.MixFormerV2`."""
import argparse
import sys
from typing import Optional, Sequence


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of this script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('src', help='checkpoint of MixFormerV2, such as mixformerv2_base.pth.tar')
    parser.add_argument('dst', help='output file, such as checkpoints/mixformerv2_b.pth')
    parser.add_argument('--num-heads', type=int, help='number of attention heads (default: heads of width 64)')
    parser.add_argument(
        '--ignore-objects',
        action='store_true',
        help='read only the tensors of a file that holds more (the released ones hold training settings); no code from '
        'the file runs')
    return parser


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the script.

    Args:
        argv: The arguments; those of the process by default.
    """
    args = build_parser().parse_args(argv)
    from ct_mm.tracking.models.mixformerv2.converter import convert_mixformerv2_file
    try:
        print(convert_mixformerv2_file(**vars(args)))
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')


if __name__ == '__main__':
    main()
