"""Exports the student of any training checkpoint of a compression.

For example, from the best checkpoint where save_best is on, else from the newest one:

    python tools/export_student.py my_tracker_4layers.py
    python tools/export_student.py my_tracker_4layers.py work_dirs/my_tracker_4layers/epoch_80.pth --format safetensors
"""
import argparse
from pathlib import Path
from typing import Optional, Sequence

from ct_mm import cli


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the script."""
    from mmengine.config import DictAction
    parser = argparse.ArgumentParser(description='Export the student of a training checkpoint')
    parser.add_argument('config', help='config of the compression, or the one that training wrote in its work dir')
    parser.add_argument('checkpoint', nargs='?', help='training checkpoint (default: the best one in the work dir if '
                        'save_best is on, else the newest whole one)')
    parser.add_argument('--work-dir', help='folder of the training (default: as in training)')
    parser.add_argument('--out-dir', help='folder of the student (default: student/ in the work dir)')
    parser.add_argument('--format', choices=['pth', 'safetensors'], default='pth', help='format of the weights')
    parser.add_argument('--without-data', action='store_true', help='verify only the structure of the exported model; '
                        'do not compare outputs on two training samples')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='settings that override the config')
    parser.set_defaults(launcher='none')
    cli.add_debug(parser)
    return parser


def find_checkpoint(cfg) -> Path:
    """Finds the best checkpoint of a training, or the newest whole one.

    Args:
        cfg (mmengine.config.Config): Config of the training.

    Returns:
        Path: The checkpoint.

    Raises:
        FileNotFoundError: If the training has no checkpoint.
        ValueError: If there are several best checkpoints, or none is whole.
    """
    from ct_mm.engine.checkpoints.resume import newest_whole, training_files
    from ct_mm.engine.loops.guarded_loop import INTERRUPTED
    hook = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    folder = Path(hook['out_dir'], Path(cfg.work_dir).name) if hook.get('out_dir') else Path(cfg.work_dir)
    best = sorted(folder.glob('best_*.pth')) if hook.get('save_best') else []
    if len(best) > 1:
        raise ValueError(f'there are {len(best)} best checkpoints; name one of them: {", ".join(map(str, best))}')
    if best:
        return best[0]
    pattern = hook.get('filename_tmpl') or ('epoch_{}.pth' if hook.get('by_epoch', True) else 'iter_{}.pth')
    found = newest_whole(training_files(folder, pattern, INTERRUPTED))
    if found is None:
        raise FileNotFoundError(f'no checkpoint {pattern.format("*")} in {folder}: name one as the second argument, or '
                                f'set --work-dir')
    for reason in found.damaged:
        print(f'skipped: {reason}')
    return found.path


def load_distiller(cfg, checkpoint: Path, content):
    """Builds the distiller of a config and gives its student the weights of a checkpoint.

    The teacher stays without weights, because the export does not need them.

    Args:
        cfg (mmengine.config.Config): Config of the compression, as ``ct_mm.compress`` returns it.
        checkpoint (Path): A checkpoint of its training.
        content (dict): What it holds.

    Returns:
        ct_mm.compression.ReplacementDistiller: On the CPU.

    Raises:
        ValueError: If the checkpoint does not fit the student.
    """
    from ct_mm.engine.checkpoints.misfit import find_misfit
    from ct_mm.engine.checkpoints.reading import weights_in
    from ct_mm.registry import MODELS
    distiller = MODELS.build(dict(cfg.model, step=None))
    weights = {name.removeprefix('student.'): value for name, value in weights_in(content, checkpoint).items()
               if name.startswith('student.')}
    misfit = find_misfit(distiller.student.state_dict(), weights)
    if misfit:
        raise ValueError(f'checkpoint {checkpoint} does not fit the student of {cfg.filename}: {misfit}')
    distiller.student.load_state_dict(weights)
    return distiller


def read_batch(cfg, distiller):
    """Reads the batch of training data on which outputs are compared.

    Args:
        cfg (mmengine.config.Config): Config of the training.
        distiller (ct_mm.compression.ReplacementDistiller): Its model.

    Returns:
        The batch as the model takes it.

    Raises:
        ValueError: If the data cannot be read.
    """
    from mmengine.runner import Runner

    from ct_mm.compression.batch import training_batch
    loader = {key: value for key, value in cfg.train_dataloader.items()
              if key not in ('persistent_workers', 'prefetch_factor')}
    try:
        return training_batch(Runner.build_dataloader(dict(loader, num_workers=0)), distiller.data_preprocessor)
    except (ImportError, OSError, ValueError, LookupError) as error:
        raise ValueError(f'cannot read the training data: {error}\nSet train_dataloader with --cfg-options, or verify '
                         f'only the structure of the exported model with --without-data') from error


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the script.

    Args:
        argv (Sequence[str], optional): The arguments; those of the process by default.
    """
    parser = build_parser()
    args = parser.parse_args(argv)

    from mmengine.registry import init_default_scope

    from ct_mm.compression import compress
    from ct_mm.compression.export.student import export_student, save_student
    from ct_mm.engine.checkpoints.reading import read_checkpoint
    from ct_mm.package_files import find_config, resolve_path
    try:
        args.config = find_config(resolve_path(args.config))
        cfg = compress(cli.load_config(args))
        init_default_scope(cfg.default_scope)
        checkpoint = Path(resolve_path(args.checkpoint)) if args.checkpoint else find_checkpoint(cfg)
        content = read_checkpoint(checkpoint)
        distiller = load_distiller(cfg, checkpoint, content)
        batch = None if args.without_data else read_batch(cfg, distiller)
        student = export_student(distiller, cfg.model.model, batch)
        weights = Path(args.out_dir or Path(cfg.work_dir, 'student'), f'student.{args.format}')
        config = save_student(student, cfg, weights, (content.get('meta') or {}).get('iter'))
    except (ImportError, OSError, ValueError) as error:
        parser.error(str(error))
    print(f'{checkpoint} -> {weights}, {config}')
    if student.form != 'plain':
        print(f'wrapped in ct_mm.StageDividedBackbone because {student.reason}')


if __name__ == '__main__':
    cli.run(main)
