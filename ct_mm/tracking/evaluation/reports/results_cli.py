"""Command line arguments shared by the scripts that analyse saved results.

Nothing imports torch before ``load_benchmark``, so that ``-h`` and usage errors are fast.
"""
from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Names of the benchmarks as papers write them.
TITLES = dict(lasot='LaSOT', lasot_ext='LaSOT_ext', got10k='GOT-10k', trackingnet='TrackingNet', tnl2k='TNL2K',
              uav123='UAV123', otb100='OTB100', nfs='NfS')


@dataclass(frozen=True)
class Benchmark:
    """A data set and its scoring convention.

    Attributes:
        dataset: The ``SequenceDataset``.
        name: Name of the benchmark, on which the rules of some conventions depend.
        title: Title in reports.
        convention: Name of the scoring convention.
    """

    dataset: Any
    name: str | None
    title: str
    convention: str


def parse_result(text: str) -> tuple[str, str]:
    """Splits ``NAME=FOLDER``.

    Raises:
        argparse.ArgumentTypeError: A part is missing.
    """
    name, _, folder = text.partition('=')
    if not (name and folder):
        raise argparse.ArgumentTypeError(f'{text!r} is not NAME=FOLDER, such as ours=work_dirs/ours/results/uav123')
    return name, folder


def add_benchmark_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds ``--benchmark``, ``--dataset-config`` and ``--data-root``."""
    group = parser.add_argument_group('sequences')
    which = group.add_mutually_exclusive_group()
    which.add_argument('--benchmark', metavar='NAME', help='a benchmark that ct_mm can read, such as uav123')
    which.add_argument('--dataset-config', metavar='CONFIG', help='a config with the sequences in its test_dataloader')
    group.add_argument('--data-root', metavar='DIR', help='folder of the data (default: that of the config); without a '
                       'benchmark or config, a folder of annotated sequences such as ct_mm::demo/clips')


def add_result_arguments(parser: argparse.ArgumentParser, trackers: int | str = '+') -> None:
    """Adds the trackers and the sequences.

    Args:
        parser: The parser.
        trackers: Number of trackers, as argparse's ``nargs``.
    """
    parser.add_argument(
        'trackers', nargs=trackers, type=parse_result, metavar='NAME=FOLDER',
        help='name and result folder of a tracker, with NAME.txt or NAME/NAME_001.txt for each sequence; if the files '
        'are named differently, append their pattern: FOLDER/uav_{}.txt')
    add_benchmark_arguments(parser)
    parser.add_argument('--sequences', nargs='+', metavar='NAME', help='use only these sequences (default: all)')


def add_score_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options for scoring."""
    parser.add_argument('--convention', metavar='NAME', help='scoring convention: pytracking, lasot, got10k ... '
                        "(default: the one in the benchmark's config)")
    parser.add_argument('--score', metavar='KEY', help='score in the tables by sequence: success, precision, '
                        'norm_precision, ao ... (default: success; ao on GOT-10k)')
    parser.add_argument('--common-only', action='store_true', help='skip sequences for which a tracker has no track, '
                        'instead of raising an error; the output lists them')


def check_names(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Exits with a usage error if two trackers have the same name or no sequences are given."""
    names = [name for name, _ in args.trackers]
    if len(set(names)) < len(names):
        parser.error(f'two trackers have the same name: {", ".join(names)}')
    check_benchmark(parser, args)


def check_benchmark(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Exits with a usage error if no sequences are given."""
    if not (args.benchmark or args.dataset_config or args.data_root):
        parser.error('no sequences given: use --benchmark NAME, --dataset-config CONFIG or --data-root DIR')


def load_benchmark(args: argparse.Namespace) -> Benchmark:
    """Loads the data set that the arguments select.

    Args:
        args: Arguments added by ``add_benchmark_arguments``.

    Raises:
        FileNotFoundError: The config does not exist, or its data is missing.
        ValueError: The config has no test set, or an annotation is invalid.
    """
    from mmengine.config import Config

    from ct_mm.package_files import find_config
    from ct_mm.registry import DATASETS
    if args.benchmark:
        from ct_mm.tracking.benchmarks import benchmark_config
        cfg = benchmark_config(args.benchmark, args.data_root)
    elif args.dataset_config:
        cfg = Config.fromfile(find_config(args.dataset_config))
        if 'dataset' not in (cfg.get('test_dataloader') or {}):
            raise ValueError(f'{cfg.filename} has no `test_dataloader.dataset`, which defines the sequences')
        if args.data_root:
            cfg.test_dataloader.dataset.data_root = args.data_root
    else:
        cfg = Config(dict(test_dataloader=dict(dataset=dict(type='ct_mm.SequenceFolder', data_root=args.data_root))))
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    name = dataset.metainfo.get('benchmark')
    title, split = TITLES.get(name, Path(dataset.data_root).resolve().name), dataset.metainfo.get('split', 'test')
    title += '' if split == 'test' else f' ({split})'
    return Benchmark(dataset, name, title, getattr(args, 'convention', None) or _convention(cfg))


def _convention(cfg: Any) -> str:
    """Returns the convention of the config's first metric, or the default."""
    evaluators = cfg.get('test_evaluator') or {}
    first = evaluators[0] if isinstance(evaluators, list) and evaluators else evaluators
    return first.get('convention', 'pytracking') if isinstance(first, dict) else 'pytracking'
