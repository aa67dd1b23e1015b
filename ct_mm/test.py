"""Evaluates a checkpoint: ``python -m ct_mm.test CONFIG CHECKPOINT`` or ``mim test ct_mm CONFIG --checkpoint F``."""
import argparse
from pathlib import Path
from typing import Optional, Sequence

from . import cli


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the test script."""
    parser = argparse.ArgumentParser(prog='ct_mm.test', description='Evaluate a tracker')
    cli.add_common_arguments(parser)
    parser.add_argument('checkpoint', nargs='?', help='checkpoint file')
    parser.add_argument('--checkpoint', dest='checkpoint_option', metavar='CHECKPOINT', help='the same, as an option')
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
    from .paths import resolve_path
    checkpoint = resolve_path(named[0])
    if '://' not in checkpoint and not Path(checkpoint).is_file():
        raise FileNotFoundError(f'checkpoint {checkpoint!r} is no file seen from {Path.cwd()}')
    return checkpoint


def keep_testing_only(cfg) -> None:
    """Takes training and validation out of a config, in place.

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
        args.config = cli.find_config(args.config)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    cfg = cli.load_config(args)
    cfg.load_from = checkpoint
    cfg.resume = False
    try:
        keep_testing_only(cfg)
    except ValueError as error:
        parser.error(str(error))
    cli.build_runner(cfg).test()


if __name__ == '__main__':
    main()
