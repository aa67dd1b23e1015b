"""Tables of a benchmark."""
import json
from dataclasses import replace

import pytest

from ct_mm.deployment.speed.benchmark import Benchmark, BenchmarkRow
from ct_mm.deployment.speed.benchmark_report import format_benchmark, write_benchmark
from ct_mm.deployment.speed.tracker_process import Conditions

NAN = float('nan')
ROW = BenchmarkRow('teacher', 'PyTorch 2.13.0, eager', 'fp32', 400.0, 410.0, 1.0, 402.0, 412.0, 1.0, 0.005, 1000.0)
STUDENT = replace(ROW, name='stu|dent', network_ms=NAN, network_p90=NAN, network_speed=NAN, added=NAN, peak_mib=NAN,
                  frame_ms=20.1, frame_speed=20.0)


@pytest.fixture
def benchmark():
    return Benchmark([ROW, STUDENT], Conditions((640, 480)), 50, 10, 'a CPU', [0, 2], 0.0)


def test_the_table_says_what_was_measured_and_how(benchmark):
    text = format_benchmark(benchmark)
    assert [cell.strip() for cell in text.split('\n')[2].split('|')[1:-1]] == [
        'teacher', 'PyTorch 2.13.0, eager', 'fp32', '400.00', '410.00', '1.00', '402.00', '412.00', '1.00', '0.5%',
        '1000']
    assert '| 20.00 |' in text
    for fact in ('50 frames of 640x480', 'after 10 warm-up frames', '2 threads for each runtime', 'pinned to CPU 0, 2',
                 'a CPU', 'speed: relative to teacher'):
        assert fact in text


def test_what_is_unknown_is_a_dash(benchmark):
    line = next(line for line in format_benchmark(benchmark).split('\n') if 'stu' in line)
    assert [cell.strip() for cell in line.replace('\\|', '').split('|')][4:7] == ['-', '-', '-'] and 'nan' not in line


@pytest.mark.parametrize('others, priority, expected', [
    (0.05, False, 'kept 0.1 CPUs busy.'), (1.4, False, 'see --priority'), (1.4, True, 'had real-time priority'),
    (NAN, False, None)])
def test_other_programs_are_told_of(benchmark, others, priority, expected):
    text = format_benchmark(replace(benchmark, others=others, conditions=Conditions(priority=priority)))
    assert 'CPUs busy' not in text if expected is None else expected in text


def test_files_for_people_and_programs(benchmark, tmp_path):
    files = write_benchmark(benchmark, tmp_path / 'new')
    assert [file.name for file in files] == ['benchmark.md', 'benchmark.csv', 'benchmark.json']
    values = json.loads(files[2].read_text())
    assert values['rows'][1]['network_ms'] is None and values['rows'][0]['frame_ms'] == 402
    assert values['conditions'] == dict(image_size=[640, 480], threads=2, device='cpu', priority=False)
    assert files[1].read_text().split('\n')[0].startswith('name,runtime,precision,network_ms')
