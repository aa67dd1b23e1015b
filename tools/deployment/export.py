"""Exports a tracker to one file that tracks without PyTorch and MMEngine.

For example, the student of a compression:

    python tools/deployment/export.py student/student.py student/student.pth --format openvino
"""
import argparse
from pathlib import Path
from typing import Optional, Sequence

from ct_mm import cli


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the script."""
    parser = argparse.ArgumentParser(description='Export a tracker')
    parser.add_argument('config', help='config of a plain tracker; for a compression, student/student.py')
    parser.add_argument('checkpoint', help='its weights')
    parser.add_argument('--format', default='onnx', choices=['onnx', 'openvino', 'torchscript', 'torch_export'])
    parser.add_argument('--batch', choices=['1', 'dynamic'], default='1',
                        help='dynamic: any number of targets in one call, for onnx and openvino (default: 1)')
    parser.add_argument('--out', help="output file (default: next to the checkpoint, with the format's suffix)")
    cli.add_debug(parser)
    return parser


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the script.

    Args:
        argv (Sequence[str], optional): The arguments; those of the process by default.
    """
    parser = build_parser()
    args = parser.parse_args(argv)

    from ct_mm import require_openmmlab
    try:
        require_openmmlab()
    except ImportError as error:
        parser.error(str(error))
    from ct_mm.deployment.export.export_tracker import TOLERANCE, export_tracker
    from ct_mm.deployment.export.formats import FORMATS, network_files
    from ct_mm.package_files import find_config, resolve_path
    from ct_mm.tracking.inference import init_model
    path = Path(args.out or Path(resolve_path(args.checkpoint)).with_suffix(FORMATS[args.format][0]))
    try:
        tracker = init_model(find_config(resolve_path(args.config)), args.checkpoint)
        differences = export_tracker(tracker, path, args.format, 1 if args.batch == '1' else None)
    except (ImportError, OSError, ValueError) as error:
        parser.error(str(error))
    size = sum(file.stat().st_size for file in network_files(path)) / 1e6
    print(f'{path} ({size:.1f} MB)')
    print(f'largest difference to PyTorch (allowed: {TOLERANCE:g}):')
    for name, value in differences.items():
        print(f'  {name:12}{value:.2e}')


if __name__ == '__main__':
    cli.run(main)
