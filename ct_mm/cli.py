"""What the training and the test script share: their arguments, reading the config, building the runner.

Nothing here imports torch before ``select_device`` has run, so ``--device cpu`` and ``-h`` are honest and quick.
"""
import argparse
import os
from pathlib import Path
from typing import Mapping, Optional


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that both scripts take, with the names every OpenMMLab codebase gives them."""
    from .engine.settings import KeepBlanks
    parser.add_argument('config', help='config file: a path, or the name of one that ships with ct_mm')
    parser.add_argument('--work-dir', help='folder of logs and checkpoints (default: work_dirs/<name of the config>)')
    parser.add_argument(
        '--cfg-options', nargs='+', action=KeepBlanks, metavar='KEY=VALUE', help='settings that override the config')
    parser.add_argument('--device', choices=['cpu', 'cuda'], help='default: what MMEngine finds')
    # mim looks for this name in the help text; only then does its own `--gpus 0` arrive here, as `--device cpu`.
    parser.add_argument('--gpus', type=int, help='0 is --device cpu; more than 1 needs --launcher')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='job launcher')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help='set by torch.distributed.launch')


def select_device(args: argparse.Namespace) -> None:
    """Makes the device that was asked for the one MMEngine finds; to be called before torch is used.

    Raises:
        ValueError: If the arguments contradict each other, or CUDA is asked for and absent.
    """
    if args.gpus is not None and args.gpus > 1 and args.launcher == 'none':
        raise ValueError(f'--gpus {args.gpus} needs --launcher pytorch (or slurm, mpi): one process drives one GPU')
    if args.gpus == 0 and args.device == 'cuda':
        raise ValueError('--gpus 0 and --device cuda contradict each other')
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    if args.gpus == 0 or args.device == 'cpu':
        os.environ['CUDA_VISIBLE_DEVICES'] = ''  # read at CUDA's first use, which comes later
        import mmengine.device.utils
        mmengine.device.utils.DEVICE = 'cpu'  # for the accelerators that the variable does not hide
    elif args.device == 'cuda':
        import torch
        if not torch.cuda.is_available():
            raise ValueError('--device cuda: torch finds no CUDA device here')


def load_config(args: argparse.Namespace, overlay: Optional[Mapping] = None):
    """Reads the config and lays the command line over it.

    Args:
        args (argparse.Namespace): With what ``add_common_arguments`` added; ``config`` is an existing file.
        overlay (Mapping, optional): Sections that take the place of the file's; ``--cfg-options`` come after them.

    Returns:
        mmengine.config.Config: With ``launcher``, ``work_dir`` and ``default_scope`` set.

    Raises:
        ValueError: If an option or a key of the config would do nothing.
    """
    from mmengine.config import Config

    from .engine.settings import check_options, check_spelling
    cfg = Config.fromfile(args.config)
    check_options(cfg, args.cfg_options or {})
    check_spelling(cfg)
    for key, section in (overlay or {}).items():
        cfg[key] = section
    if args.cfg_options:
        cfg.merge_from_dict(args.cfg_options)
    cfg.launcher = args.launcher
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or str(Path('work_dirs', Path(cfg.filename).stem))
    cfg.setdefault('default_scope', 'ct_mm')
    return cfg


def build_runner(cfg):
    """Builds MMEngine's Runner, or the ``runner_type`` the config names, as every OpenMMLab script does.

    Args:
        cfg (mmengine.config.Config): The whole config.

    Returns:
        mmengine.runner.Runner: Ready to train or test.
    """
    from mmengine.registry import RUNNERS
    from mmengine.runner import Runner

    from .engine.checkpoints.reading import let_mmengine_read_safely
    from .engine.hooks import CheckpointFitHook
    let_mmengine_read_safely()
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    if not any(isinstance(hook, CheckpointFitHook) for hook in runner.hooks):
        runner.register_hook(CheckpointFitHook())
    return runner
