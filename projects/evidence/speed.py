"""Measures the speed-up of each student over its teacher: eager PyTorch, one process, alternating, medians."""
from __future__ import annotations

import json
import statistics
import time
from pathlib import Path

import numpy as np
import torch

from ct_mm.engine.whole_file import write_text
from ct_mm.tracking.inference import init_model

WARM_UP, ROUNDS = 5, 40


def measure_speed(trackers: dict[str, tuple[Path, Path]], out: Path, device: str) -> None:
    """Times one search step of the network (search region in, box out) of every tracker and writes ``speed.json``.

    Args:
        trackers: Config and weights by name, the teacher first.
        out: Folder.
        device: Where they run.
    """
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 255, (480, 640, 3), np.uint8)
    built = {name: init_model(*files, device) for name, files in trackers.items()}
    crops = {}
    for name, tracker in built.items():
        tracker.init(frame, np.array([280., 200., 80., 60.]))
        side = tracker.backbone.search_size
        crops[name] = rng.integers(0, 255, (side, side, 3), np.uint8)
    seconds = {name: [] for name in built}
    for _ in range(WARM_UP + ROUNDS):
        for name, tracker in built.items():
            began = time.perf_counter()
            tracker.locate(crops[name])  # returns a number on the CPU, so an accelerator has finished too
            seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(times[WARM_UP:]) for name, times in seconds.items()}
    first = next(iter(medians.values()))
    write_text(out / 'speed.json', json.dumps(dict(
        ratios={name: first / median for name, median in medians.items()}, warm_up=WARM_UP, rounds=ROUNDS,
        threads=torch.get_num_threads(), device=device, torch=torch.__version__), indent=1))
