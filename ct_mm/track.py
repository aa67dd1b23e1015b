"""Tracks in a video, images, a camera or a stream: ``python -m ct_mm.track MODEL [CHECKPOINT] SOURCE``.

With an exported tracker neither PyTorch nor MMEngine is imported.
"""
from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path

import numpy as np

from . import cli
from .package_files import find_config, resolve_path
from .tracking.runtime import init_tracker
from .tracking.runtime.geometry import check_target
from .tracking.video.frame_source import FrameSource, SourceError
from .tracking.video.multi_tracker import MultiTracker
from .tracking.video.progress import Progress
from .tracking.video.screen import check_screen, select_box
from .tracking.video.stop_signals import StopSignals
from .tracking.video.targets import name_targets, read_box
from .tracking.video.track_files import TrackFiles
from .tracking.video.track_view import TrackView

SOURCE_STOPPED, OUTPUT_FAILED = 3, 4

_EPILOG = """\
Output: for each target NAME.txt (x,y,w,h in pixels) and scores/NAME.txt, one line per frame with the given box first;
and SOURCE.mp4. Without --box and --box-file you draw the targets with the mouse.

exit codes:
  0       tracked to the end, to --max-frames, or until q or ESC was pressed in the window
  1       the tracker itself failed (see --debug); what was tracked is kept
  2       nothing was tracked: wrong arguments, files or boxes, or the output cannot be written
  3       a stream ended or dropped, a frame cannot be decoded or has another size; what was tracked is kept
  4       writing the output failed; what was tracked is kept as text
  128+N   signal N (Ctrl-C: 130, SIGTERM: 143); what was tracked is kept
"""


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the script."""
    parser = argparse.ArgumentParser(
        prog='ct_mm.track', description='Track targets in a video', epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('model', help='exported tracker (.onnx, .xml, .torchscript, .pt2), or a config (.py)')
    cli.add_grey_range(parser)
    cli.add_debug(parser)
    parser.add_argument('checkpoint', nargs='?', help='weights for a config')
    parser.add_argument('source', help='video file, folder of images, pattern ("folder/*.jpg"), number of a camera, or '
                        'address of a stream (rtsp://, http://)')
    parser.add_argument('--checkpoint', dest='checkpoint_option', metavar='CHECKPOINT', help='the same, as an option')
    box = parser.add_argument_group('targets')
    box.add_argument('--box', nargs=4, type=float, action='append', default=[], metavar=('X', 'Y', 'W', 'H'),
                     help='target in the first frame, in pixels; may be repeated')
    box.add_argument('--box-file', action='append', default=[], metavar='FILE',
                     help='file like groundtruth.txt; the line of the first frame is used; may be repeated')
    box.add_argument('--name', action='append', metavar='NAME',
                     help='name of a target, once for each target (default: the name of the source)')
    frames = parser.add_argument_group('frames')
    frames.add_argument('--start-frame', type=int, default=1, metavar='N', help='first frame, counted from 1')
    frames.add_argument('--max-frames', type=int, metavar='N', help='maximum number of frames')
    frames.add_argument('--timeout', type=float, default=10, metavar='SECONDS',
                        help='a stream that sends nothing for this long counts as dropped (default: %(default)s)')
    output = parser.add_argument_group('output')
    output.add_argument('--out-dir', default='work_dirs/track_video', help='folder (default: %(default)s)')
    output.add_argument('--no-video', action='store_true', help='write text only')
    output.add_argument('--fps', type=float, help='frame rate of the output video (default: that of the source, or '
                        '25)')
    output.add_argument('--show', action='store_true', help='show the frames in a window; q ends')
    runtime = parser.add_argument_group('runtime')
    runtime.add_argument('--device', default='cpu', help="'cpu', 'cuda'; OpenVINO: also 'gpu', 'npu' (default: cpu)")
    runtime.add_argument('--threads', type=int, metavar='N', help="threads of the CPU (default: the runtime's choice)")
    runtime.add_argument('--precision', choices=['fp32', 'bf16', 'fp16'], help="default: the runtime's choice")
    return parser


def load_tracker(args: argparse.Namespace):
    """Loads the tracker that the arguments name.

    Raises:
        FileNotFoundError: A file does not exist.
        ImportError: Its runtime is not installed.
        ValueError: A config comes without weights or with two weight files, or a file is not a ct_mm tracker.
    """
    named = [value for value in (args.checkpoint, args.checkpoint_option) if value]
    model = args.model
    if resolve_path(model).endswith('.py'):
        if len(named) != 1:
            raise ValueError(f'{model} is a config, which needs one weight file; got {named or "none"}')
        model = find_config(resolve_path(model))
    return init_tracker(model, *named, device=args.device, threads=args.threads, precision=args.precision)


def find_boxes(args: argparse.Namespace, image: np.ndarray, default: str) -> dict[str, np.ndarray]:
    """Returns the targets by name, (4,) xywh in pixels each: from the arguments, or drawn with the mouse.

    Args:
        args: What ``build_parser`` parsed.
        image: RGB uint8 (H, W, 3).
        default: Name of targets without names.

    Raises:
        FileNotFoundError: A file of boxes does not exist.
        ValueError: A box, a file or a name is wrong; the message says which.
    """
    boxes = [np.array(box) for box in args.box] + [read_box(path, args.start_frame) for path in args.box_file]
    if boxes:
        names = name_targets(args.name, len(boxes), default)
    else:
        check_screen('name the target with --box X Y W H or --box-file FILE')
        names = name_targets(args.name, len(args.name or 'x'), default)
        boxes = [select_box(image, name) for name in names]
    for name, box in zip(names, boxes):
        try:
            check_target(box, image.shape[:2])
        except ValueError as error:
            raise ValueError(f'target {name!r}: {error}') from error
    return dict(zip(names, boxes))


def check_outputs(outputs: Sequence[Path], inputs: Sequence[str]) -> None:
    """Checks that no output would replace an input.

    Raises:
        ValueError: An output is an input.
    """
    for path in outputs:
        if path.exists() and any(Path(file).exists() and path.samefile(file) for file in inputs):
            raise ValueError(f'{path} would be replaced by the result; name another folder with --out-dir')


def follow(tracker: MultiTracker, frames: Iterator[np.ndarray], boxes: np.ndarray,
           write: Callable[[np.ndarray, np.ndarray, np.ndarray], bool], stop: StopSignals) -> tuple[int, str]:
    """Tracks frame after frame, until something ends it.

    Args:
        tracker: A tracker that was started.
        frames: The frames, from that on which it was started.
        boxes: (N, 4) xywh in pixels, on which it was started.
        write: Called with frame, boxes (N, 4) and scores (N,); says whether to go on.
        stop: Signals to end.

    Returns:
        The exit code, and why it ended if not by itself.
    """
    scores, started = np.ones(len(boxes)), False
    try:
        for image in frames:
            if started:
                try:
                    boxes, scores = tracker.track(image)
                except (OSError, SourceError) as error:  # of a runtime: neither the source nor the output failed
                    raise RuntimeError(f'the tracker failed: {error}') from error
            started = True
            if not write(image, boxes, scores):
                return 0, 'ended in the window'
            if stop.received:
                return 128 + stop.received, f'ended by {stop.received.name}'
    except SourceError as error:
        return SOURCE_STOPPED, str(error)
    except OSError as error:
        return OUTPUT_FAILED, f'writing failed: {error}'
    return 0, ''


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the script.

    Args:
        argv: The arguments; those of the process by default.

    Returns:
        The exit code.
    """
    parser = build_parser()
    args = parser.parse_intermixed_args(argv)
    counts = [args.start_frame, args.max_frames, args.threads, args.fps, args.timeout]
    if any(count is not None and not count > 0 for count in counts):
        parser.error('--start-frame, --max-frames, --threads, --fps and --timeout must be above 0')
    outputs = ExitStack()
    try:
        if args.show:
            check_screen('leave out --show')
        source = FrameSource(args.source, args.start_frame - 1, args.timeout)
        tracker = MultiTracker(load_tracker(args))
        frames = iter(source)
        first = next(frames, None)
        if first is None:
            raise ValueError(f'{source.source} has no frame')
        targets = find_boxes(args, first, source.name)
        boxes = np.stack(list(targets.values()))
        tracker.init(first, boxes)
        files = TrackFiles(args.out_dir, list(targets))
        video = None if args.no_video else files.folder / f'{source.name}.mp4'
        check_outputs([*files.paths, *filter(None, [video])], [source.source, *args.box_file])
        outputs.enter_context(files)
        view = outputs.enter_context(TrackView(
            list(targets), video, args.fps or source.fps or 25, source.name if args.show else None,
            source.length and source.skip + source.length))
    except Exception as error:  # noqa: BLE001 (a runtime raises what it likes; none is swallowed)
        outputs.close()
        if args.debug:
            traceback.print_exc()
        parser.error(str(error) or type(error).__name__)
    total = min((count for count in (source.length, args.max_frames) if count), default=None)
    progress = Progress(total)

    def write(image: np.ndarray, boxes: np.ndarray, scores: np.ndarray) -> bool:
        files.write(boxes, scores)
        progress(files.frames)
        return view.write(image, boxes, scores, source.skip + files.frames)

    try:
        with StopSignals() as stop, outputs:
            code, reason = follow(tracker, islice(chain([first], frames), args.max_frames), boxes, write, stop)
    except OSError as error:  # the encoder of the video failed, or a file cannot be renamed
        code, reason = OUTPUT_FAILED, f'writing failed: {error}'
    progress.close()
    if code == 0 and not reason and total is not None and files.frames < total:
        reason = f'the header of {source.source} announces {total} frames, but no more came'
    print(f'{files.frames} frames tracked, {progress.rate(files.frames):.1f} a second', file=sys.stderr)
    if reason:
        print(reason, file=sys.stderr)
    for path in [*files.paths, *filter(None, [view.saved])]:
        print(path)
    return code


if __name__ == '__main__':
    cli.run(main)
