import pytest

from ct_mm import package_files
from ct_mm.registry import DATASETS, LOOPS, METRICS
from ct_mm.tracking import benchmarks
from ct_mm.tracking.benchmarks import benchmark_config, benchmark_names

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
    monkeypatch.setattr(package_files, '_SHIPPED', tmp_path)
    return folder


def test_names_are_those_of_the_files(shipped):
    assert benchmark_names() == ['lasot', 'uav123']


def test_the_data_may_be_elsewhere(shipped):
    assert benchmark_config('uav123').test_dataloader.dataset.data_root == 'data/mine'
    assert benchmark_config('uav123', '/big/disk').test_dataloader.dataset.data_root == '/big/disk'


def test_an_unknown_name_lists_the_known_ones(shipped):
    with pytest.raises(ValueError, match=r"no benchmark 'uav'; did you mean uav123\? \(known: lasot, uav123;"):
        benchmark_config('uav')


def test_a_user_file_is_a_benchmark_if_it_defines_nothing_else(shipped, tmp_path):
    mine = tmp_path / 'mine.py'
    mine.write_text(f"custom_imports = dict(imports=['json'])\n{BENCHMARK}")
    assert benchmark_config(str(mine)).test_cfg.type == 'ct_mm.SequenceTestLoop'
    mine.write_text(f'{BENCHMARK}\nmodel = dict()')
    with pytest.raises(ValueError, match='mine.py must define test_dataloader, .* but defines .*model'):
        benchmark_config(str(mine))
    mine.write_text('test_cfg = dict()')
    with pytest.raises(ValueError, match='mine.py must define test_dataloader'):
        benchmark_config(str(mine))
    with pytest.raises(ValueError, match='config .*nowhere.py does not exist'):
        benchmark_config(str(tmp_path / 'nowhere.py'))


def test_every_shipped_benchmark_is_ready_to_run():
    assert benchmark_names()
    for name in benchmark_names():
        cfg = benchmark_config(name)
        assert cfg.test_cfg.type == 'ct_mm.SequenceTestLoop' and LOOPS.get(cfg.test_cfg.type)
        assert DATASETS.get(cfg.test_dataloader.dataset.type) is not None, name
        assert cfg.test_dataloader.sampler == dict(type='DefaultSampler', shuffle=False), name
        METRICS.build(cfg.test_evaluator)
