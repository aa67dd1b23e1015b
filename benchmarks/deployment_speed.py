"""Measures how much faster a student is outside PyTorch: all trackers alternate in one run.

OSTrack with ViT-B (template 128, search region 256, batch 1) with random weights: the teacher of 12 layers and the
student of 4 in PyTorch, and the student in ONNX Runtime and in OpenVINO. int8 is calibrated on synthetic crops; neither
the crops nor the weights affect the speed. Prints a table, and the targets for a CPU with AVX512-BF16 and AVX512-VNNI.

    python benchmarks/deployment_speed.py
"""
import argparse
import tempfile
from pathlib import Path

import torch
from mmengine.config import Config

from ct_mm.deployment.export.deployed_network import example_inputs
from ct_mm.deployment.export.export_tracker import export_tracker
from ct_mm.deployment.int8.quantize import quantize_openvino
from ct_mm.deployment.speed.benchmark import Benchmark, benchmark_trackers
from ct_mm.deployment.speed.benchmark_report import format_benchmark, write_benchmark
from ct_mm.deployment.speed.machine import may_take_priority
from ct_mm.deployment.speed.tracker_process import Conditions
from ct_mm.deployment.speed.tracker_spec import TrackerSpec
from ct_mm.package_files import resolve_path
from ct_mm.tracking.inference import init_model
from ct_mm.tracking.video.progress import Progress

#: Smallest speed-up over another tracker, network only.
TARGETS = [('int8', 'teacher', 18.0), ('int8', 'student', 6.5), ('bf16', 'student', 3.8), ('onnx', 'student', 1.7)]
#: Largest time that cropping and placing the box may add to the network of this tracker.
ADDED = ('int8', 0.15)


def make_trackers(folder: Path, layers: int) -> list:
    """Writes configs and exported files with random weights; returns the trackers to time."""
    model = Config.fromfile(resolve_path('ct_mm::configs/_base_/models/ostrack_vitb.py')).model
    for name, depth in (('teacher', model.backbone.depth), ('student', layers)):
        model.backbone.depth = depth
        Config(dict(model=model)).dump(folder / f'{name}.py')
    torch.manual_seed(0)
    student = init_model(folder / 'student.py')
    for name, file_format in (('student.onnx', 'onnx'), ('student.xml', 'openvino')):
        export_tracker(student, folder / name, file_format)
    card = student.card()
    crops = [{name: value.numpy() for name, value in example_inputs(card, seed).items()} for seed in range(8)]
    quantize_openvino(student, crops, folder / 'int8.xml')
    return [
        TrackerSpec('teacher', str(folder / 'teacher.py')),
        TrackerSpec('student', str(folder / 'student.py')),
        TrackerSpec('onnx', str(folder / 'student.onnx')),
        TrackerSpec('fp32', str(folder / 'student.xml'), precision='fp32'),
        TrackerSpec('bf16', str(folder / 'student.xml'), precision='bf16'),
        TrackerSpec('int8', str(folder / 'int8.xml')),
    ]


def check(benchmark: Benchmark) -> str:
    """Whether each target was reached, one line each."""
    rows = {row.name: row for row in benchmark.rows}
    lines = []
    for name, other, target in TARGETS:
        speed = rows[other].network_ms / rows[name].network_ms
        verdict = 'ok  ' if speed >= target else 'MISS'
        lines.append(f'{verdict} {name}: {speed:.2f}x as fast as {other}, at least {target}x')
    name, most = ADDED
    added = rows[name].added
    lines.append(f'{"ok  " if added <= most else "MISS"} {name}: crop and placing add {added:.1%}, at most {most:.0%}')
    return '\n'.join(lines)


def main() -> None:
    """Makes the trackers, times them and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--layers', type=int, default=4, help='layers of the student (default: 4)')
    parser.add_argument('--frames', type=int, default=30, help='measured frames per tracker (default: 30)')
    parser.add_argument('--warm-up', type=int, default=5, help='warm-up frames per tracker (default: 5)')
    parser.add_argument('--threads', type=int, default=2, help='threads of each tracker (default: 2)')
    parser.add_argument('--no-priority', action='store_true', help='do not use real-time priority, even where allowed')
    parser.add_argument('--out-dir', help='folder for the results (default: only print)')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        specs = make_trackers(Path(folder), args.layers)
        progress = Progress(len(specs) * (args.frames + args.warm_up))
        conditions = Conditions(threads=args.threads, priority=may_take_priority() and not args.no_priority)
        benchmark = benchmark_trackers(specs, conditions, args.frames, args.warm_up, progress)
        progress.close()
    print(f'{format_benchmark(benchmark)}\n\n{check(benchmark)}')
    if args.out_dir:
        write_benchmark(benchmark, args.out_dir)


if __name__ == '__main__':
    main()
