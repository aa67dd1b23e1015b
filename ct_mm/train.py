"""Trains what a config describes: ``python -m ct_mm.train CONFIG`` or ``mim train ct_mm CONFIG``.

On SIGTERM, SIGUSR1 or Ctrl+C the training finishes its step, saves and exits with status 75; ``--resume`` continues
from exactly that point. When torchrun restarts its processes, they resume without being told to.
"""
import argparse
import os
from pathlib import Path
from typing import Optional, Sequence

from . import cli
from .package_files import find_config


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the training script."""
    parser = argparse.ArgumentParser(prog='ct_mm.train', description='Train, or compress, a tracker')
    cli.add_common_arguments(parser)
    parser.add_argument(
        '--resume', nargs='?', const='auto', metavar='CHECKPOINT',
        help='resume from this checkpoint; without a value, from the newest undamaged one in the work dir, if any')
    parser.add_argument('--amp', action='store_true', help='train in mixed precision (needs an accelerator)')
    parser.add_argument(
        '--auto-scale-lr', action='store_true', help="scale the learning rate by the config's auto_scale_lr")
    return parser


def apply_training_options(cfg, args: argparse.Namespace) -> None:
    """Writes ``--resume``, ``--amp`` and ``--auto-scale-lr`` into the config, in place.

    Args:
        cfg (mmengine.config.Config): The config.
        args (argparse.Namespace): What ``build_parser`` parsed.

    Raises:
        ValueError: If the config lacks the key that an option needs.
    """
    if args.resume:
        if args.resume == 'auto':  # SafeCheckpointHook uses it if there is no checkpoint to resume from yet
            cfg.start_from = cfg.get('load_from')
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else args.resume
    if args.amp:
        wrapper = cfg.get('optim_wrapper') or {'type': None}
        kind = wrapper.get('type', 'OptimWrapper')  # a class in a config of the pure-Python style
        if getattr(kind, '__name__', kind) not in ('OptimWrapper', 'AmpOptimWrapper'):
            raise ValueError(f'--amp needs an `optim_wrapper` of type OptimWrapper in {cfg.filename}, not {kind}')
        wrapper.type = 'AmpOptimWrapper'
        wrapper.setdefault('loss_scale', 'dynamic')
    if args.auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            raise ValueError(f'--auto-scale-lr needs `auto_scale_lr = dict(base_batch_size=…)` in {cfg.filename}')
        cfg.auto_scale_lr.enable = True


def resume_after_restart(cfg, args: argparse.Namespace) -> None:
    """Sets ``--resume`` when torchrun has restarted the processes (``--max-restarts``).

    Args:
        cfg (mmengine.config.Config): The config.
        args (argparse.Namespace): What ``build_parser`` parsed; changed in place.

    Raises:
        ValueError: If restarts are allowed and the work dir holds checkpoints of an earlier training, which a restart
            could not distinguish from those of this one.
    """
    if args.resume or args.launcher != 'pytorch':
        return
    if int(os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)):
        args.resume = 'auto'
    elif int(os.environ.get('TORCHELASTIC_MAX_RESTARTS', 0)) and Path(cfg.work_dir, 'last_checkpoint').exists():
        raise ValueError(f'{cfg.work_dir} holds checkpoints of an earlier training, from which --max-restarts would '
                         f'resume: add --resume to continue that training, or name another --work-dir')


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the training script.

    Args:
        argv (Sequence[str], optional): The arguments; those of the process by default.
    """
    parser = build_parser()
    args = parser.parse_args(argv)
    try:
        cli.select_device(args)
        args.config = find_config(args.config)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    cfg = cli.load_config(args)
    resume_after_restart(cfg, args)
    apply_training_options(cfg, args)
    from .engine.guard_training import guard_training
    cli.build_runner(guard_training(cfg), args.debug).train()


if __name__ == '__main__':
    cli.run(main)
