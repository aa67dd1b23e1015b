"""Draws the training pairs of a config as the model gets them, after every crop, jitter and augmentation.

For example:

    python tools/analysis_tools/browse_dataset.py configs/quickstart/tiny_tracker.py --out-dir pairs --show-number 24

writes sheets of template(s), search region and target box, each with its draw number and source files.
"""
import argparse
from pathlib import Path
from typing import Optional, Sequence

from ct_mm import cli


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the script."""
    from mmengine.config import DictAction
    parser = argparse.ArgumentParser(description='Draw training pairs as the model gets them')
    parser.add_argument('config', help='config file: a path, or the name of one that ships with ct_mm')
    parser.add_argument('--out-dir', '--output-dir', help='folder for the sheets (default: '
                        'work_dirs/browse_dataset/<name of the config>)')
    parser.add_argument('--show-number', type=int, default=24, metavar='N', help='pairs to draw (default: %(default)s)')
    parser.add_argument('--start', type=int, default=0, metavar='N', help='first draw number (default: %(default)s)')
    parser.add_argument('--per-sheet', type=int, default=12, metavar='N', help='pairs per sheet (default: %(default)s)')
    parser.add_argument('--columns', type=int, default=3, metavar='N', help='pairs side by side (default: %(default)s)')
    window = parser.add_mutually_exclusive_group()
    window.add_argument('--show', action='store_true', help='also open each sheet in a window')
    window.add_argument('--not-show', action='store_true', help='do not open a window (the default)')
    parser.add_argument(
        '--show-interval', type=float, default=2, metavar='SECONDS',
        help='how long a window stays open; 0 waits for a key (default: %(default)s)')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='settings that override the config')
    cli.add_debug(parser)
    return parser


def load_dataset(name: str, options: Optional[dict] = None):
    """Builds the data set of ``train_dataloader`` in a config.

    Args:
        name (str): The config (see ``ct_mm.package_files.find_config``).
        options (dict, optional): Settings that override it.

    Returns:
        torch.utils.data.Dataset: The dataset.

    Raises:
        FileNotFoundError: If the config or its data do not exist.
        ValueError: If the config has no training data.
    """
    from mmengine.config import Config
    from mmengine.registry import init_default_scope

    from ct_mm.package_files import find_config
    from ct_mm.registry import DATASETS
    cfg = Config.fromfile(find_config(name))
    cfg.merge_from_dict(options or {})
    if 'dataset' not in cfg.get('train_dataloader', {}):
        raise ValueError(f'{cfg.filename} has no `train_dataloader.dataset`: there are no training pairs to draw')
    init_default_scope(cfg.get('default_scope', 'ct_mm'))
    return DATASETS.build(cfg.train_dataloader.dataset)


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the script.

    Args:
        argv (Sequence[str], optional): The arguments; those of the process by default.
    """
    parser = build_parser()
    args = parser.parse_args(argv)
    if min(args.show_number, args.per_sheet, args.columns) < 1 or min(args.start, args.show_interval) < 0:
        parser.error('--show-number, --per-sheet and --columns must be at least 1, --start and --show-interval 0')

    from ct_mm.tracking.datasets.pairs import PairDataset
    from ct_mm.tracking.visualization.draw_pairs import draw_pair, make_sheet, show_image, write_image
    try:
        dataset = load_dataset(args.config, args.cfg_options)
        stop = args.start + args.show_number
        if not isinstance(dataset, PairDataset):  # which can be drawn from beyond its length
            stop = min(stop, len(dataset))
        if stop <= args.start:
            raise ValueError(f'--start {args.start}: the data set ends at {len(dataset) - 1}')
        folder = Path(args.out_dir or Path('work_dirs', 'browse_dataset', Path(args.config).stem))
        for first in range(args.start, stop, args.per_sheet):
            draws = range(first, min(first + args.per_sheet, stop))
            sheet = make_sheet([draw_pair(dataset[draw], f'draw {draw}') for draw in draws], args.columns)
            print(write_image(folder / f'draws_{draws[0]:06d}-{draws[-1]:06d}.png', sheet))
            if args.show:
                show_image('training pairs', sheet, args.show_interval)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))


if __name__ == '__main__':
    cli.run(main)
