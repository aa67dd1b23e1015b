"""Reports a benchmark in Markdown, CSV and JSON."""
from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from ct_mm.deployment.speed.benchmark import Benchmark, BenchmarkRow
from ct_mm.engine.whole_file import write_text
from ct_mm.tracking.evaluation.reports.result_tables import csv_table, markdown_table, number, plural

_HEADER = ('tracker', 'runtime', 'precision', 'network ms', 'p90', 'speed', 'frame ms', 'p90', 'speed', 'added',
           'peak MiB')


def format_benchmark(benchmark: Benchmark) -> str:
    """Formats the table with its explanation in Markdown."""
    return (f'{format_rows(benchmark.rows)}\n\n{describe_conditions(benchmark)}\n'
            '- added: time of cropping and placing the box, relative to the network.\n'
            f'- speed: relative to {benchmark.rows[0].name}.\n'
            "- peak: peak memory of the tracker's process (Python, runtime, weights), reported by the OS.")


def format_rows(rows: list[BenchmarkRow]) -> str:
    """Formats the rows as a Markdown table."""
    return markdown_table(_HEADER, [
        (row.name, row.runtime, row.precision,
         *(number(value, '.2f') for value in (row.network_ms, row.network_p90, row.network_speed,
                                              row.frame_ms, row.frame_p90, row.frame_speed)),
         number(row.added, '.1%'), number(row.peak_mib, '.0f')) for row in rows], left=3)


def describe_conditions(benchmark: Benchmark) -> str:
    """Explains what the times are and under which conditions they were measured."""
    conditions = benchmark.conditions
    width, height = conditions.image_size
    threads = f'{plural(conditions.threads, "thread")} for each runtime and for OpenCV'
    place = f'pinned to CPU {", ".join(map(str, benchmark.cpus))}' if benchmark.cpus else 'not pinned'
    others = '' if benchmark.others != benchmark.others else (
        f' Other programs kept {benchmark.others:.1f} CPUs busy'
        + (', but the trackers had real-time priority over them.' if conditions.priority else
           '.' if benchmark.others < 0.2 else
           ': the times are worse than on an idle machine, and not equally so for all trackers (see --priority).'))
    return (f'{benchmark.machine}; device {conditions.device}; {threads}, {place}.{others}\n\n'
            f'- Medians and 90th percentiles over {benchmark.frames} frames of {width}x{height} per tracker, after '
            f'{benchmark.warm_up} warm-up frames. The trackers take turns frame by frame in rotating order, each in '
            'its own process; in each turn one frame is tracked unmeasured, then one measured.\n'
            '- network: from the uint8 crop to the box in it: normalisation, all layers, Hann window, decoding the box '
            '(for a tracker in PyTorch, its `locate`).\n'
            '- frame: the whole `track`: cropping, network, placing the box. The frame is already in memory.')


def write_benchmark(benchmark: Benchmark, folder: str | os.PathLike) -> list[Path]:
    """Writes ``benchmark.md``, ``benchmark.csv`` and ``benchmark.json`` and returns their paths."""
    folder, rows = Path(folder), [asdict(row) for row in benchmark.rows]
    text = f'# Speed of {len(rows)} trackers\n\n{format_benchmark(benchmark)}\n'
    return [write_text(folder / 'benchmark.md', text),
            write_text(folder / 'benchmark.csv', csv_table(list(rows[0]), [list(row.values()) for row in rows])),
            write_text(folder / 'benchmark.json', json_text(asdict(benchmark)))]


def json_text(values: dict) -> str:
    """Formats nested values as JSON, with null in place of NaN."""
    return json.dumps(_without_nan(values), indent=2, allow_nan=False) + '\n'


def _without_nan(value):
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(each) for each in value]
    return None if value != value else value
