import pytest

from ct_mm import benchmarks, paths
from ct_mm.benchmarks import benchmark_config, benchmark_names
from ct_mm.registry import DATASETS, LOOPS, METRICS

BENCHMARK = """
test_dataloader = dict(batch_size=1, dataset=dict(type='ct_mm.SequenceFolder', data_root='data/mine'))
test_evaluator = dict(type='ct_mm.SOTMetric')
test_cfg = dict(type='ct_mm.SequenceTestLoop')
"""


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A package that ships two benchmarks, in the place of ct_mm."""
    folder = tmp_path / 'configs' / benchmarks.FOLDER
    folder.mkdir(parents=True)
    for name in ('uav123', 'lasot'):
        (folder / f'{name}.py').write_text(BENCHMARK)
    monkeypatch.setattr(paths, '_SHIPPED', tmp_path)
    return folder


def test_names_are_those_of_the_files(shipped):
    assert benchmark_names()
    for name in benchmark_names():
        cfg = benchmark_config(name)
        assert cfg.test_cfg.type == 'ct_mm.SequenceTestLoop' and LOOPS.get(cfg.test_cfg.type)
        assert DATASETS.get(cfg.test_dataloader.dataset.type) is not None, name
        assert cfg.test_dataloader.sampler == dict(type='DefaultSampler', shuffle=False), name
        METRICS.build(cfg.test_evaluator)
