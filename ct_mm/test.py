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
        str: A path, or an address that MMEngine's loaders understand (it holds ``://``).

    Raises:
        ValueError: If none or two are named.
        FileNotFoundError: If it is a path and no file is there.
    """
    named = [value for value in (args.checkpoint, args.checkpoint_option) if value]
    if len(named) != 1:
        raise ValueError(f'name one checkpoint, as second argument or with --checkpoint; got {named or "none"}')
    if '://' not in named[0] and not Path(named[0]).is_file():
        raise FileNotFoundError(f'checkpoint {named[0]!r} is no file seen from {Path.cwd()}')
    return named[0]


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
    cli.build_runner(cfg).test()


if __name__ == '__main__':
    main()
