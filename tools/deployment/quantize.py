"""Quantises a tracker to int8 after training, calibrated on real crops, and says what that costs in accuracy.

For example, the student of a compression:

    python tools/deployment/quantize.py student/student.py student/student.pth --format openvino \
        --calibration data/got10k/val --sequences data/my_sequences
"""
import argparse
from pathlib import Path
from typing import Optional, Sequence


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the script."""
    parser = argparse.ArgumentParser(description='Quantise a tracker to int8')
    parser.add_argument('config', help='config of a plain tracker; of a compression take student/student.py')
    parser.add_argument('checkpoint', help='its weights')
    parser.add_argument('--format', default='openvino', choices=['openvino', 'onnx'])
    parser.add_argument('--calibration', required=True, help='folder of sequences or of images')
    parser.add_argument('--samples', type=int, default=300, help='pairs of crops to calibrate with (default: 300)')
    parser.add_argument('--sequences', help='folder of annotated sequences: accuracy before and after')
    parser.add_argument('--out', help='the file (default: CHECKPOINT_int8 with the ending of the format)')
    return parser


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the script.

    Args:
        argv (Sequence[str], optional): The arguments; those of the process by default.
    """
    parser = build_parser()
    args = parser.parse_args(argv)

    from ct_mm.cli import find_config
    from ct_mm.deployment.accuracy import accuracy_table, average_overlaps
    from ct_mm.deployment.calibration import calibration_crops
    from ct_mm.deployment.deployed_network import model_card
    from ct_mm.deployment.quantize import QUANTIZERS
    from ct_mm.paths import resolve_path
    from ct_mm.tracking.datasets import SequenceFolder
    from ct_mm.tracking.inference import init_model
    from ct_mm.tracking.runtime import init_tracker
    from ct_mm.tracking.runtime.progress import Progress
    suffix, quantize = QUANTIZERS[args.format]
    checkpoint = Path(resolve_path(args.checkpoint))
    path = Path(args.out or checkpoint.with_name(f'{checkpoint.stem}_int8{suffix}'))
    try:
        if path.suffix != suffix:
            raise ValueError(f'--out must end in {suffix} for --format {args.format}, but is {path.name}')
        dataset = SequenceFolder(args.sequences) if args.sequences else None
        tracker = init_model(find_config(resolve_path(args.config)), checkpoint)
        crops = list(calibration_crops(args.calibration, model_card(tracker), args.samples))
        quantize(tracker, crops, path)
    except (ImportError, OSError, ValueError) as error:
        parser.error(str(error))
    print(f'{path}: int8, calibrated on {len(crops)} pairs of crops from {args.calibration}')
    if dataset is None:
        print('accuracy not measured: name annotated sequences with --sequences')
        return
    sequences = [dataset.get_sequence(index) for index in range(len(dataset))]
    progress = Progress(sum(len(sequence) for sequence in sequences))
    overlaps = average_overlaps({'fp32 (PyTorch)': tracker, 'int8': init_tracker(path)}, sequences, progress)
    progress.close()
    print(f'average overlap (GOT-10k convention, all frames):\n\n{accuracy_table(overlaps)}')


if __name__ == '__main__':
    main()
