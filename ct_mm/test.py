"""Evaluates a checkpoint: ``python -m ct_mm.test CONFIG CHECKPOINT`` or ``mim test ct_mm CONFIG --checkpoint F``.

With ``--benchmark NAME`` on one of the shipped benchmarks, whatever the config tests on.
"""
import argparse
from pathlib import Path
from typing import Optional, Sequence

from . import cli
from .package_files import find_config
from .tracking.benchmarks import benchmark_config, benchmark_names


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the test script."""
    parser = argparse.ArgumentParser(prog='ct_mm.test', description='Evaluate a tracker')
    cli.add_common_arguments(parser)
    parser.add_argument('checkpoint', nargs='?', help='checkpoint file')
    parser.add_argument('--checkpoint', dest='checkpoint_option', metavar='CHECKPOINT', help='the same, as an option')
    parser.add_argument(
        '--benchmark', metavar='NAME',
        help=f'benchmark instead of the data in the config: {", ".join(benchmark_names())}, or a file like theirs')
    parser.add_argument('--data-root', metavar='DIR', help='folder of the data set (default: the one in the config)')
    parser.add_argument(
        '--workers', type=int, metavar='N', help='number of tracking processes, on CPUs only; at most one per core')
    parser.add_argument(
        '--results-dir', metavar='DIR', help='folder of the tracks (default: results/<benchmark> in the work dir)')
    parser.add_argument(
        '--fresh', action='store_true', help='track everything again; earlier tracks are kept in another folder')
    return parser


def find_checkpoint(args: argparse.Namespace) -> str:
    """Returns the one checkpoint that the arguments name.

    Args:
        args (argparse.Namespace): What ``build_parser`` parsed.

    Returns:
        str: A path (``ct_mm::`` resolved), or an address that MMEngine's loaders understand (it holds ``://``).

    Raises:
        ValueError: If none or two are named.
        FileNotFoundError: If it is a path and no file is there.
    """
    named = [value for value in (args.checkpoint, args.checkpoint_option) if value]
    if len(named) != 1:
        raise ValueError(f'name one checkpoint, as second argument or with --checkpoint; got {named or "none"}')
    from .package_files import resolve_path
    checkpoint = resolve_path(named[0])
    if '://' not in checkpoint and not Path(checkpoint).is_file():
        raise FileNotFoundError(f'checkpoint {checkpoint!r} is not a file (current folder: {Path.cwd()})')
    return checkpoint


def keep_testing_only(cfg) -> None:
    """Removes training and validation from a config, in place.

    MMEngine refuses half a training section, and a test needs none: neither its data nor its photographs.

    Args:
        cfg (mmengine.config.Config): The config.

    Raises:
        ValueError: If the config says nothing of a test.
    """
    missing = [key for key in ('test_dataloader', 'test_evaluator') if cfg.get(key) is None]
    if missing:
        raise ValueError(f'{cfg.filename} has no {" and no ".join(missing)}: there is nothing to test on')
    for key in ('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler', 'val_dataloader', 'val_cfg',
                'val_evaluator'):
        cfg.pop(key, None)
    if cfg.get('test_cfg') is None:
        cfg.test_cfg = {}


def apply_test_options(cfg, args: argparse.Namespace) -> None:
    """Writes ``--data-root``, ``--workers``, ``--results-dir`` and ``--fresh`` into the config, in place.

    A config that has no test loop of its own gets ``ct_mm.SequenceTestLoop`` if one of the last three is given.

    Args:
        cfg (mmengine.config.Config): The config, the benchmark laid over it.
        args (argparse.Namespace): What ``build_parser`` parsed.

    Raises:
        ValueError: If the config has a test loop of its own that does not take such options.
    """
    if args.data_root is not None:
        cfg.test_dataloader.dataset.data_root = args.data_root
    results_dir = args.results_dir
    if results_dir is None and args.benchmark is not None and 'results_dir' not in cfg.test_cfg:
        results_dir = str(Path(cfg.work_dir, 'results', Path(args.benchmark).stem))
    options = dict(workers=args.workers, results_dir=results_dir, fresh=args.fresh or None)
    options = {key: value for key, value in options.items() if value is not None}
    if not options:
        return
    kind = cfg.test_cfg.setdefault('type', 'ct_mm.SequenceTestLoop')
    if getattr(kind, '__name__', kind).split('.')[-1] != 'SequenceTestLoop':
        named = ', '.join('--' + key.replace('_', '-') for key in options)
        raise ValueError(f'{named} need test_cfg.type=ct_mm.SequenceTestLoop, but {cfg.filename} has {kind}')
    cfg.test_cfg.update(options)


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the test script.

    Args:
        argv (Sequence[str], optional): The arguments; those of the process by default.
    """
    parser = build_parser()
    args = parser.parse_args(argv)
    try:
        checkpoint = find_checkpoint(args)
        cli.select_device(args)
        args.config = find_config(args.config)
        benchmark = None if args.benchmark is None else benchmark_config(args.benchmark)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    cfg = cli.load_config(args, benchmark)
    cfg.load_from = checkpoint
    cfg.resume = False
    try:
        keep_testing_only(cfg)
        apply_test_options(cfg, args)
    except ValueError as error:
        parser.error(str(error))
    cli.build_runner(cfg, args.debug).test()


if __name__ == '__main__':
    cli.run(main)
