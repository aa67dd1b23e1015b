"""Packs the tracks of a test set for the evaluation server, after checking that nothing is missing.

For example:

    python tools/pack_submission.py got10k_test work_dirs/ours/results/got10k_test --out ours_got10k.zip
    python tools/pack_submission.py trackingnet work_dirs/ours/results/trackingnet --out ours_trackingnet.zip
"""
import argparse
from typing import Optional, Sequence

from ct_mm import cli


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the script."""
    parser = argparse.ArgumentParser(description='Pack stored tracks for the evaluation server of a benchmark')
    parser.add_argument('benchmark', choices=['got10k_test', 'trackingnet'], help='the benchmark')
    parser.add_argument('folder', help='the results of one tracker on the whole test set')
    parser.add_argument('--data-root', metavar='DIR', help="folder of the data, which defines the sequences and "
                        "their lengths (default: the one in the benchmark's config)")
    parser.add_argument('--out', required=True, metavar='FILE.zip', help='the archive')
    cli.add_debug(parser)
    return parser


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the script.

    Args:
        argv (Sequence[str], optional): The arguments; those of the process by default.
    """
    parser = build_parser()
    args = parser.parse_args(argv)

    from ct_mm.registry import DATASETS
    from ct_mm.tracking.benchmarks import benchmark_config
    from ct_mm.tracking.evaluation.results.result_folder import ResultFolder
    from ct_mm.tracking.evaluation.results.submission import pack_submission
    try:
        dataset = DATASETS.build(benchmark_config(args.benchmark, args.data_root).test_dataloader.dataset)
        frames = pack_submission(args.benchmark, dataset, ResultFolder.open(args.folder), args.out)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    print(f'{args.out}: {len(dataset)} sequences, {frames} frames')


if __name__ == '__main__':
    cli.run(main)
