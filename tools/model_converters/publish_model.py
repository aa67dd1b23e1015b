"""Reduces a training checkpoint to its weights for publication, optionally in half precision.

For example:

    python tools/model_converters/publish_model.py work_dirs/my_tracker/epoch_300.pth my_tracker.pth --half
"""
import argparse
import sys
from typing import Optional, Sequence

from ct_mm import cli


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of this script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('src', help='training checkpoint')
    parser.add_argument('dst', help='output file')
    parser.add_argument('--half', action='store_true', help='store floating point weights as float16')
    parser.add_argument('--deflate', action='store_true',
                        help='compress the file, by 7 %% in half precision; PyTorch can still read it')
    cli.add_debug(parser)
    return parser


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the script.

    Args:
        argv: The arguments; those of the process by default.
    """
    args = build_parser().parse_args(argv)
    from ct_mm.engine.checkpoints.reading import read_state_dict
    from ct_mm.engine.checkpoints.writing import deflate_checkpoint, save_checkpoint
    try:
        state = read_state_dict(args.src)
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')
    largest = 0.0
    for name, value in state.items():
        if args.half and value.is_floating_point():
            half = value.half()
            if not half.isfinite().all():
                sys.exit(f'error: {name} holds values beyond float16; publish without --half')
            scale = value.abs().max().clamp(min=1e-12)
            largest = max(largest, float((half.float() - value).abs().max() / scale))
            value = half
        state[name] = value.clone()  # saving a view would save the whole tensor it refers to
    save_checkpoint(dict(state_dict=state, meta=dict(half=args.half)), args.dst)
    if args.deflate:
        deflate_checkpoint(args.dst)
    size = sum(value.numel() * value.element_size() for value in state.values()) / 1e6
    print(f"{args.dst}: {len(state)} tensors, {size:.2f} MB; largest rounding {largest:.1e} of a tensor's maximum")


if __name__ == '__main__':
    cli.run(main)
