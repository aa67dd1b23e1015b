"""Measures what it saves to compute keys and values of the templates once: PyTorch, ONNX Runtime, OpenVINO.

``python benchmarks/cached_templates.py configs/mixformerv2/mixformerv2_s.py`` prints CPU times on one thread.
"""
from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
from mmengine.config import Config

from ct_mm.deployment.export.export_tracker import export_tracker
from ct_mm.registry import MODELS
from ct_mm.tracking.runtime import init_tracker

SUFFIXES = dict(onnx='.onnx', openvino='.xml')


def make_tracker(model: dict, cached: bool, templates: int, runtime: str, folder: Path):
    """Returns a tracker with random weights whose templates never change, in a runtime, on one CPU thread."""
    torch.manual_seed(0)
    tracker = MODELS.build(dict(model, backbone=dict(model['backbone'], num_templates=templates, init_cfg=None),
                                cache_templates=cached, update_interval=None)).eval()
    if runtime == 'eager':
        return tracker
    path = folder / f'{cached}_{templates}{SUFFIXES[runtime]}'
    export_tracker(tracker, path, runtime)
    return init_tracker(path, threads=1, precision='fp32' if runtime == 'openvino' else None)


def main() -> None:
    """Prints the CPU time of a frame with and without the cache, for one and two templates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config of a MixFormerV2')
    parser.add_argument('--frames', type=int, default=15)
    parser.add_argument('--runtimes', nargs='+', default=['eager', 'onnx', 'openvino'])
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = Config.fromfile(args.config).model
    frame, box = np.random.default_rng(0).integers(0, 255, (360, 640, 3), np.uint8), np.array([300., 150, 60, 60])
    with tempfile.TemporaryDirectory() as folder:
        for templates in (1, 2):
            for runtime in args.runtimes:
                trackers = {cached: make_tracker(model, cached, templates, runtime, Path(folder))
                            for cached in (False, True)}
                times = {False: [], True: []}
                for tracker in trackers.values():
                    tracker.init(frame, box)
                    tracker.track(frame)
                for _ in range(args.frames):  # in turns, so that a busy machine slows down both
                    for cached, tracker in trackers.items():
                        start = time.process_time()
                        tracker.track(frame)
                        times[cached].append(time.process_time() - start)
                before, after = (1000 * median(times[cached]) for cached in (False, True))
                print(f'{runtime:9} {templates} templates: {before:7.1f} ms -> {after:7.1f} ms, '
                      f'{before / after:.2f} times as fast', flush=True)


if __name__ == '__main__':
    main()
