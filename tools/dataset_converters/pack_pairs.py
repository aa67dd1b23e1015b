"""Makes the training pairs of a config once and writes their crops, so that ``ct_mm.PackedPairs`` can read them often.

For example:

    python tools/dataset_converters/pack_pairs.py CONFIG data/pairs --pairs 100000 --workers 8
"""
import argparse
import sys
from typing import Optional, Sequence

from ct_mm import cli


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of this script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config whose train_dataloader.dataset, a ct_mm.PairDataset, makes the pairs')
    parser.add_argument('out', help='output folder; run the command again to continue after an interruption')
    parser.add_argument('--pairs', type=int, default=100000, help='number of pairs (default: %(default)s)')
    parser.add_argument('--workers', type=int, default=1, help='processes (default: %(default)s)')
    cli.add_debug(parser)
    return parser


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the script.

    Args:
        argv: The arguments; those of the process by default.
    """
    args = build_parser().parse_args(argv)
    from mmengine.config import Config

    from ct_mm.package_files import find_config
    from ct_mm.tracking.datasets.pairs.pair_packing import pack_pairs
    from ct_mm.tracking.video.progress import Progress
    try:
        dataset = Config.fromfile(find_config(args.config)).train_dataloader.dataset.to_dict()
        progress = Progress(args.pairs, unit='pair')
        made = pack_pairs(dataset, args.out, args.pairs, args.workers, progress=progress)
        progress.close()
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')
    print(f'{args.out}: {args.pairs} pairs, {made} of them made now')


if __name__ == '__main__':
    cli.run(main)
