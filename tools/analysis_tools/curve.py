"""Measures accuracy against speed of all hybrids of a trained student: one training, the whole curve.

For example, on your own validation sequences:

    python tools/analysis_tools/curve.py my_tracker_4layers.py work_dirs/my_tracker_4layers/epoch_500.pth \
        --data-root data/val --out-dir curve

It exports a model for each path through the stages, tracks the sequences with each, and times all of them in turn. Run
the same command again to continue after an interruption. Choose on validation sequences, never on those of a test.
"""
import argparse
from pathlib import Path
from typing import Optional, Sequence

from ct_mm import cli


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the script."""
    from mmengine.config import DictAction
    parser = argparse.ArgumentParser(description='Measure accuracy against speed of all hybrids of a student')
    parser.add_argument('config', help='config of the compression, or the one that training wrote in its work dir')
    parser.add_argument('checkpoint', help='training checkpoint, or the student that was exported from it')
    parser.add_argument('--data-root', required=True, help='folder of annotated sequences')
    parser.add_argument('--sequences', nargs='+', metavar='NAME', help='only these sequences of the folder')
    parser.add_argument('--out-dir', required=True, help='folder for curve.json, curve.md, curve.png and the hybrids')
    parser.add_argument('--also', nargs='+', default=[], metavar='NAME=CONFIG:CHECKPOINT',
                        help='other trackers to measure, such as separately trained students')
    parser.add_argument('--max-paths', type=int, default=64, help='measure a greedy chain of paths if there are more '
                        'than this (default: 64)')
    parser.add_argument('--rounds', type=int, default=40, help='timed frames of each tracker (default: 40)')
    parser.add_argument('--threads', type=int, help="threads of PyTorch (default: PyTorch's own choice)")
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='settings that override the config')
    cli.add_debug(parser)
    parser.set_defaults(launcher='none', work_dir=None)
    return parser


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the script.

    Args:
        argv (Sequence[str], optional): The arguments; those of the process by default.
    """
    parser = build_parser()
    args = parser.parse_args(argv)

    import torch
    from mmengine.registry import init_default_scope

    from ct_mm.compression import compress
    from ct_mm.compression.export.load_distiller import load_distiller
    from ct_mm.deployment.speed.curve import Curve
    from ct_mm.deployment.speed.curve_report import describe_curve, format_curve, plot_curve
    from ct_mm.engine.checkpoints.reading import read_checkpoint
    from ct_mm.engine.whole_file import whole_file, write_text
    from ct_mm.package_files import find_config, resolve_path, split_files
    from ct_mm.tracking.datasets.benchmarks import SequenceFolder
    from ct_mm.tracking.inference import init_model
    if args.threads:
        torch.set_num_threads(args.threads)
    try:
        others = {}
        for text in args.also:
            name, _, files = text.partition('=')
            config, checkpoint = split_files(files)
            if not (name and config and checkpoint) or name == 'teacher' or not set(name) - {'0', '1'}:
                raise ValueError(f'--also {text}: this must be NAME=CONFIG:CHECKPOINT, with a name that is no path')
            others[name] = lambda config=config, checkpoint=checkpoint: init_model(
                find_config(resolve_path(config)), checkpoint)
        dataset = SequenceFolder(resolve_path(args.data_root), sequences=args.sequences)
        args.config = find_config(resolve_path(args.config))
        cfg = compress(cli.load_config(args))
        init_default_scope(cfg.default_scope)
        checkpoint = resolve_path(args.checkpoint)
        distiller = load_distiller(cfg, checkpoint, read_checkpoint(checkpoint), teacher=True)
        curve = Curve(args.out_dir, distiller, cfg, [dataset.get_sequence(i) for i in range(len(dataset))])
        curve.measure_teacher()
        for name, build in others.items():
            curve.measure(name, build, kind='other')
        curve.measure_paths(args.max_paths)
        curve.measure_speed(others, args.rounds)
    except (ImportError, OSError, ValueError) as error:
        parser.error(str(error))
    text = f'{format_curve(curve.content)}\n\n{describe_curve(curve.content)}'
    folder = Path(args.out_dir)
    files = [curve.file, write_text(folder / 'curve.md', f'# Hybrids\n\n{text}\n\n![hybrids](curve.png)\n'),
             folder / 'curve.png']
    with whole_file(files[-1]) as unfinished:
        plot_curve(curve.content, Path(args.config).stem).savefig(unfinished, dpi=130, format='png')
    print(text + '\n\nwritten:\n' + '\n'.join(f'  {file}' for file in files))


if __name__ == '__main__':
    cli.run(main)
