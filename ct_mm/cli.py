"""What the training and the test script share: their arguments, reading the config, building the runner.

Nothing here imports torch before ``select_device`` has run, so ``--device cpu`` takes full effect and ``-h`` is quick.
"""
import argparse
import logging
import os
import sys
import traceback
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Callable, Mapping, Optional


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that both scripts take, with the names every OpenMMLab codebase gives them."""
    from .engine.unread_settings import KeepBlanks
    parser.add_argument('config', help='config file: a path, or the name of one that ships with ct_mm')
    parser.add_argument('--work-dir', help='folder of logs and checkpoints (default: work_dirs/<name of the config>)')
    parser.add_argument(
        '--cfg-options', nargs='+', action=KeepBlanks, metavar='KEY=VALUE', help='settings that override the config')
    parser.add_argument('--device', choices=['cpu', 'cuda'], help='default: what MMEngine finds')
    # mim looks for this name in the help text; only then does its own `--gpus 0` arrive here, as `--device cpu`.
    parser.add_argument('--gpus', type=int, help='0 is --device cpu; more than 1 needs --launcher')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='job launcher')
    add_grey_range(parser)
    add_debug(parser, 'show tracebacks and the whole start-up log')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help='set by torch.distributed.launch')


def add_debug(parser: argparse.ArgumentParser, text: str = 'show the traceback of an error') -> None:
    """Adds ``--debug``, which ``run`` obeys."""
    parser.add_argument('--debug', action='store_true', help=text)


class GreyRange(argparse.Action):
    """Stores which counts of frames with 16 bits become black and white, for this process and its workers."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        """Checks and stores the counts."""
        from .tracking.datasets.reading.jpeg import RANGE_VARIABLE, parse_range
        try:
            parse_range(values)
        except ValueError as error:
            parser.error(str(error))
        os.environ[RANGE_VARIABLE] = values
        setattr(namespace, self.dest, values)


def add_grey_range(parser: argparse.ArgumentParser) -> None:
    """Adds ``--grey-range``."""
    parser.add_argument('--grey-range', action=GreyRange, metavar='LOW:HIGH', help='counts of frames with 16 bits that '
                        'become black and white (default: the upper 8 bits are used)')


def select_device(args: argparse.Namespace) -> None:
    """Makes MMEngine find the requested device; call it before torch is used.

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
    elif args.launcher != 'none':  # the processes of a job must agree on their device
        from mmengine.device import get_device
        if get_device() == 'cpu':
            raise ValueError(f'--launcher {args.launcher}: no GPU was found here; --device cpu runs the job on CPUs')


def load_config(args: argparse.Namespace, overlay: Optional[Mapping] = None):
    """Reads the config and applies the command line to it.

    Args:
        args (argparse.Namespace): With what ``add_common_arguments`` added; ``config`` is an existing file.
        overlay (Mapping, optional): Sections that replace those of the file; ``--cfg-options`` are applied after them.

    Returns:
        mmengine.config.Config: With ``launcher``, ``work_dir`` and ``default_scope`` set.

    Raises:
        ValueError: If an option or a key of the config would do nothing.
    """
    from mmengine.config import Config

    from .engine.unread_settings import check_all_read
    cfg = Config.fromfile(args.config)
    check_all_read(cfg, args.cfg_options or {})
    for key, section in (overlay or {}).items():
        cfg[key] = section
    if args.cfg_options:
        cfg.merge_from_dict(args.cfg_options)
    cfg.launcher = args.launcher
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or str(Path('work_dirs', Path(cfg.filename).stem))
    cfg.setdefault('default_scope', 'ct_mm')
    return cfg


def run(main: Callable[[], Optional[int]]) -> None:
    """Runs a script so that an error ends with one line on stderr, which says what is wrong and what to do.

    Of the processes of one job, only the first that fails prints it. The traceback goes to the log file and, with
    ``--debug``, also to stderr.

    Args:
        main (Callable): The script; it reads its arguments from ``sys.argv`` and may return an exit status.

    Raises:
        SystemExit: With the script's status, 1 after an error, 130 after Ctrl+C.
    """
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # noqa: BLE001 (it ends the process)
        text, is_first = str(error), True
        if 'ct_mm.engine.processes' in sys.modules:  # the processes of this job may have met
            from .engine.processes import explain_failure
            text, is_first = explain_failure(error)
        log_file = _log_traceback()
        if '--debug' in sys.argv:
            traceback.print_exc()
        if not is_first:
            sys.exit(1)
        text = [line.strip() for line in text.splitlines() if line.strip()] or [repr(error)]
        text = text[-1:] if 'Original Traceback' in str(error) else text  # of a data worker
        sys.stdout.flush()
        where = f' (traceback: {log_file})' if log_file else ' (traceback: --debug)'
        sys.exit(f'error: {"; ".join(text).replace(":; ", ": ")}{where}')


def _log_traceback() -> Optional[str]:
    """Writes the traceback to the log file of the run, if there is one, and returns its name."""
    if 'mmengine.logging' in sys.modules:
        from mmengine.logging import MMLogger
        logger = MMLogger.get_current_instance()
        for handler in logger.handlers:
            if isinstance(handler, logging.FileHandler):
                handler.handle(logger.makeRecord(logger.name, logging.ERROR, '', 0, traceback.format_exc(), (), None))
                return handler.baseFilename
    return None


@contextmanager
def _short_start_up_log():
    """Sends long records (environment, config, hooks) to the log file only, within the block."""
    from mmengine.logging import MMLogger
    everywhere = MMLogger.callHandlers

    def call_handlers(self, record: logging.LogRecord) -> None:
        is_long = record.levelno <= logging.INFO and '\n' in record.getMessage().strip()
        for handler in self.handlers:
            if record.levelno >= handler.level and (isinstance(handler, logging.FileHandler) or not is_long):
                handler.handle(record)

    MMLogger.callHandlers = call_handlers
    try:
        yield
    finally:
        MMLogger.callHandlers = everywhere


def build_runner(cfg, debug: bool = False):
    """Builds MMEngine's Runner, or the ``runner_type`` the config names, as every OpenMMLab script does.

    Args:
        cfg (mmengine.config.Config): The whole config.
        debug (bool): Show the whole start-up log. By default the environment, the config and the table of hooks go only
            to the log file.

    Returns:
        mmengine.runner.Runner: Ready to train or test.
    """
    from mmengine.registry import RUNNERS
    from mmengine.runner import Runner

    from .engine.checkpoints.reading import let_mmengine_read_safely
    from .engine.hooks import CheckpointFitHook
    from .engine.processes import end_in_words, join_job
    from .tracking.hooks import FirstBoxHook
    join_job(cfg)
    if cfg.get('launcher', 'none') != 'none':
        end_in_words()
    let_mmengine_read_safely()
    with nullcontext() if debug else _short_start_up_log():
        runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    if not any(isinstance(hook, CheckpointFitHook) for hook in runner.hooks):
        runner.register_hook(CheckpointFitHook())
    runner.register_hook(FirstBoxHook())
    return runner
