"""What a benchmark found, for people (Markdown), for tables (CSV) and for programs (JSON)."""
from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from ct_mm.deployment.speed.benchmark import Benchmark, BenchmarkRow
from ct_mm.engine.whole_file import write_text
from ct_mm.tracking.evaluation.reports.result_tables import csv_table, markdown_table, number

_HEADER = ('tracker', 'runtime', 'precision', 'network ms', 'p90', 'speed', 'frame ms', 'p90', 'speed', 'added',
           'peak MiB')


def format_benchmark(benchmark: Benchmark) -> str:
    """The table and what it means, in Markdown."""
    return (f'{format_rows(benchmark.rows)}\n\n{describe_conditions(benchmark)}\n'
            '- added: what cropping and placing the box add to the network.\n'
            f'- speed: how many times as fast as {benchmark.rows[0].name}.\n'
            "- peak: most memory that the tracker's process held, by the operating system: Python, runtime, weights.")


def format_rows(rows: list[BenchmarkRow]) -> str:
    """The rows as a table in Markdown."""
    return markdown_table(_HEADER, [
        (row.name, row.runtime, row.precision,
         number(row.network_ms, '.2f'), number(row.network_p90, '.2f'), number(row.network_speed, '.2f'),
         number(row.frame_ms, '.2f'), number(row.frame_p90, '.2f'), number(row.frame_speed, '.2f'),
         number(row.added, '.1%'), number(row.peak_mib, '.0f')) for row in rows
    ], left=3)


def describe_conditions(benchmark: Benchmark) -> str:
    """Says what the times are and under what conditions they were measured."""
    conditions = benchmark.conditions
    width, height = conditions.image_size
    threads = f'{conditions.threads} thread{"s" if conditions.threads > 1 else ""} of each runtime and of OpenCV'
    place = f'pinned to CPU {", ".join(map(str, benchmark.cpus))}' if benchmark.cpus else 'not pinned'
    others = '' if benchmark.others != benchmark.others else (
        f' Meanwhile other programs kept {benchmark.others:.1f} CPUs busy'
        + (', over which the trackers had real-time priority.' if conditions.priority else
           '.' if benchmark.others < 0.2 else
           ': the numbers are worse than on a quiet machine, and not equally so for all (see --priority).'))
    return (f'{benchmark.machine}; device {conditions.device}; {threads}, {place}.{others}\n\n'
            f'- {benchmark.frames} frames of {width}x{height} for each tracker after {benchmark.warm_up} to warm up, '
            'the trackers taking turns frame by frame in changing order, each in a process of its own; in each turn '
            'one frame unmeasured, then one measured. Medians and 90th percentiles.\n'
            '- network: from the crop, uint8, to the box in it: normalisation, all layers, Hann window, reading the '
            'box off. Of a tracker in PyTorch that is its `locate`, as it tracks.\n'
            '- frame: all of `track`: cropping, network, placing the box. The frame is in memory already.')


def write_benchmark(benchmark: Benchmark, folder: str | os.PathLike) -> list[Path]:
    """Writes ``benchmark.md``, ``benchmark.csv`` and ``benchmark.json`` and returns their paths."""
    folder, rows = Path(folder), [asdict(row) for row in benchmark.rows]
    values = without_nan(asdict(benchmark))
    return [
        write_text(folder / 'benchmark.md', f'# Speed of {len(rows)} trackers\n\n{format_benchmark(benchmark)}\n'),
        write_text(folder / 'benchmark.csv', csv_table(list(rows[0]), [list(row.values()) for row in rows])),
        write_text(folder / 'benchmark.json', json.dumps(values, indent=2, allow_nan=False) + '\n'),
    ]


def without_nan(value):
    """JSON has no NaN: null stands for it."""
    if isinstance(value, dict):
        return {key: without_nan(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(each) for each in value]
    return None if value != value else value
