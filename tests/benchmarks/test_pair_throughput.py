"""The benchmark of training pairs runs, and its loop makes the pairs that it says."""
import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def benchmark():
    spec = importlib.util.spec_from_file_location('pair_throughput', ROOT / 'benchmarks' / 'pair_throughput.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def groups(benchmark, tmp_path):
    (tmp_path / 'images').mkdir()
    for i in range(3):
        image = cv2.resize(np.random.default_rng(i).integers(0, 256, (9, 16, 3), dtype=np.uint8), (320, 180))
        cv2.imwrite(str(tmp_path / 'images' / f'{i}.png'), image)
    (tmp_path / 'sequences').mkdir()
    return benchmark.write_sequences(tmp_path / 'sequences', tmp_path / 'images', 75, 2)


def test_groups_hold_targets_of_their_size_inside_the_frame(benchmark, groups):
    assert list(groups) == ['30 px', '80 px', '160 px', '320 px', 'mix']
    for name, folder in groups.items():
        files = sorted(folder.glob('*/*.jpg'))
        assert len(files) == 2 * benchmark.LENGTH and cv2.imread(str(files[0])).shape == (720, 1280, 3)
        boxes = np.concatenate([np.loadtxt(path, delimiter=',') for path in sorted(folder.glob('*/groundtruth.txt'))])
        sizes = np.sqrt(boxes[:, 2] * boxes[:, 3])
        if name != 'mix':
            np.testing.assert_allclose(sizes, int(name.split()[0]), rtol=0.01)
        assert boxes[:, :2].min() >= 0 and (boxes[:, :2] + boxes[:, 2:] <= (1280, 720)).all()
    assert {round(size) for size in sizes} == {30, 320}  # of the mix of two


def test_the_loop_and_the_data_set_give_pairs_alike(benchmark, groups):
    for data in (benchmark.Loop(groups['80 px']), benchmark.pairs_of(groups['80 px'])):
        pairs = [data[draw] for draw in range(3)]
        for pair in (pair.get('inputs', pair) for pair in pairs):
            assert pair['template'].shape == (3, 128, 128) and pair['search'].shape == (3, 256, 256)
            assert pair['template'].float().std() > 5


def test_turns_are_taken_in_processes_of_their_own(benchmark, groups, monkeypatch):
    calls = []

    class Pool:  # a process for each way would take seconds to start

        def __init__(self, size, prepare, arguments):
            self.way, _ = arguments

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def apply(self, function, arguments):
            calls.append((self.way, arguments[0]))
            return 2.0 if self.way == 'loop' else 1.0

    monkeypatch.setattr(benchmark.multiprocessing, 'get_context', lambda kind: type('Context', (), dict(Pool=Pool)))
    assert benchmark.measure(['loop', 'ct_mm'], groups['mix'], 2, 4, 3, 'cpu') == [2, 4]
    assert calls == [('loop', range(3)), ('ct_mm', range(3)), ('loop', range(4)), ('ct_mm', range(4)),
                     ('loop', range(4, 8)), ('ct_mm', range(4, 8))]
    monkeypatch.setattr(benchmark, 'dataset', list('abcdef'), raising=False)
    assert benchmark.seconds_for(range(3), 'wall') > 0
