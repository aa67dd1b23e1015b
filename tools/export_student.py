"""Exports the student of any training checkpoint of a compression.

For example, from the best checkpoint where save_best is on, else from the newest one:

    python tools/export_student.py my_tracker_4layers.py
    python tools/export_student.py my_tracker_4layers.py work_dirs/my_tracker_4layers/epoch_80.pth --format safetensors

A hybrid has the student's layers in some stages and the teacher's in the others, here in the second one; --curve writes
one hybrid for each depth, the best of its depth on the config's validation data:

    python tools/export_student.py my_tracker_4layers.py --path 1011
    python tools/export_student.py my_tracker_4layers.py --curve
"""
import argparse
import math
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
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument('--path', help='export the hybrid along this path, one digit for each stage: 1 for the student, '
                      '0 for the teacher (default folder: hybrid_PATH/ in the work dir)')
    kind.add_argument('--curve', action='store_true', help='export a hybrid for each depth, chosen by val_dataloader '
                      'and val_evaluator of the config (default folder: curve/ in the work dir)')
    parser.add_argument('--metric', help='score that chooses the paths of --curve, higher is better (default: the only '
                        'one, or the one named AO)')
    parser.add_argument('--max-paths', type=int, default=64, help='with --curve: score a greedy chain of paths if '
                        'there are more than this (default: 64)')
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


def choose_paths(cfg, distiller, metric: Optional[str], limit: int) -> list:
    """Scores hybrids on the config's validation data and chooses the best of each depth.

    Args:
        cfg (mmengine.config.Config): Config of the training.
        distiller (ct_mm.compression.ReplacementDistiller): Its model, with its teacher.
        metric (str, optional): Name of the score; by default the only one, or the one named AO.
        limit (int): Maximum number of paths to score all.

    Returns:
        list: The paths, from the fewest layers to the most.

    Raises:
        ValueError: If the config has no validation data, or the score cannot be chosen.
    """
    import torch
    from mmengine.evaluator import Evaluator
    from mmengine.runner import Runner

    from ct_mm.compression.batch import eval_mode, run_model
    from ct_mm.compression.export.hybrid import best_of_each_depth, hybrid_depth, path_name, score_paths
    missing = [key for key in ('val_dataloader', 'val_evaluator') if not cfg.get(key)]
    if missing:
        raise ValueError(f'--curve chooses paths on validation data, but the config has no {" and no ".join(missing)}')
    loader, evaluator = Runner.build_dataloader(cfg.val_dataloader), cfg.val_evaluator
    evaluator = Evaluator(evaluator if isinstance(evaluator, list) else [evaluator])

    @torch.no_grad()
    def score(path: tuple) -> float:
        with eval_mode(distiller.student), distiller.divided.along(path):
            for data in loader:
                outputs = run_model(distiller.student, distiller.data_preprocessor(data, False), 'predict')
                evaluator.process(data_samples=outputs, data_batch=data)
        scores = evaluator.evaluate(len(loader.dataset))
        found = [key for key in scores if (key == metric if metric else len(scores) == 1 or key.lower().endswith('ao'))]
        if len(found) != 1:
            raise ValueError(f'name the score that chooses the paths with --metric: {", ".join(scores)}')
        value = float(scores[found[0]])
        if not math.isfinite(value):
            raise ValueError(f'{found[0]} of path {path_name(path)} is {value}')
        print(f'path {path_name(path)}, {hybrid_depth(distiller.divided, path)} layers: {found[0]} {value:.4g}',
              flush=True)
        return value

    return list(best_of_each_depth(score_paths(distiller.divided.num_stages, score, limit), distiller.divided).values())


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the script.

    Args:
        argv (Sequence[str], optional): The arguments; those of the process by default.
    """
    parser = build_parser()
    args = parser.parse_args(argv)

    from mmengine.registry import init_default_scope

    from ct_mm.compression import compress
    from ct_mm.compression.export.hybrid import path_name, read_path
    from ct_mm.compression.export.load_distiller import load_distiller
    from ct_mm.compression.export.student import export_student, save_student
    from ct_mm.engine.checkpoints.reading import read_checkpoint
    from ct_mm.package_files import find_config, resolve_path
    try:
        args.config = find_config(resolve_path(args.config))
        cfg = compress(cli.load_config(args))
        init_default_scope(cfg.default_scope)
        checkpoint = Path(resolve_path(args.checkpoint)) if args.checkpoint else find_checkpoint(cfg)
        content = read_checkpoint(checkpoint)
        distiller = load_distiller(cfg, checkpoint, content, teacher=bool(args.path or args.curve))
        batch = None if args.without_data else read_batch(cfg, distiller)
        stages = distiller.divided.num_stages
        if args.curve:
            paths = choose_paths(cfg, distiller, args.metric, args.max_paths)
        else:
            paths = [read_path(args.path, stages)] if args.path else [(True, ) * stages]
        iteration = (content.get('meta') or {}).get('iter')
        for path in paths:
            name = f'hybrid_{path_name(path)}'
            usual = 'curve' if args.curve else name if args.path else 'student'
            folder = Path(args.out_dir or Path(cfg.work_dir, usual))
            student = export_student(distiller, cfg.model.model, batch, path)
            weights = folder / (name if args.curve else '') / f'student.{args.format}'
            config = save_student(student, cfg, weights, iteration, None if usual == 'student' else path_name(path))
            print(f'{checkpoint} -> {weights}, {config}')
            if student.form != 'plain':
                print(f'wrapped in ct_mm.StageDividedBackbone because {student.reason}')
    except (ImportError, OSError, ValueError) as error:
        parser.error(str(error))


if __name__ == '__main__':
    cli.run(main)
