"""Converts a released checkpoint of OSTrack or CompressTracker for `ct_mm.OSTrack`.

For example:

    python tools/model_converters/ostrack_to_ct_mm.py OSTrack_ep0300.pth.tar ostrack_vitb_256.pth --ignore-objects
"""
import argparse
import sys
from typing import Optional, Sequence

from ct_mm import cli


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of this script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('src', help='checkpoint of OSTrack or CompressTracker, such as OSTrack_ep0300.pth.tar')
    parser.add_argument('dst', help='output file, such as checkpoints/ostrack_vitb_256.pth')
    parser.add_argument(
        '--weights',
        choices=['student', 'teacher'],
        default='student',
        help='which weights to take from a CompressTracker training checkpoint (default: %(default)s)')
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
    args = build_parser().parse_args(argv)
    from ct_mm.tracking.models.ostrack.converter.file import convert_ostrack_file
    try:
        print(convert_ostrack_file(args.src, args.dst, args.weights, args.ignore_objects))
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')


if __name__ == '__main__':
    cli.run(main)
