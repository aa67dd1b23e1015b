"""Which trackers on which benchmark: the arguments that scripts share."""
import argparse

import pytest

from ct_mm.tracking.evaluation.reports.results_cli import add_benchmark_arguments, load_benchmark, parse_result

CONFIG = """
test_dataloader = dict(dataset=dict(
    type='ct_mm.SequenceFolder', data_root='nowhere', metainfo=dict(benchmark={benchmark!r}, split={split!r})))
test_evaluator = {evaluator}
"""


def parse(*arguments):
    parser = argparse.ArgumentParser()
    add_benchmark_arguments(parser)
    return parser.parse_args([str(argument) for argument in arguments])


def test_a_result_in_one_word():
    assert parse_result('a=b=c/uav_{}.txt') == ('a', 'b=c/uav_{}.txt')
    for text in ('a', 'a=', '=b', ''):
        with pytest.raises(argparse.ArgumentTypeError, match='NAME=FOLDER'):
            parse_result(text)


@pytest.mark.parametrize('evaluator, convention', [
    ("dict(type='ct_mm.SOTMetric')", 'pytracking'),
    ("dict(type='ct_mm.SOTMetric', convention='got10k')", 'got10k'),
    ("[dict(type='ct_mm.SOTMetric', convention='lasot')]", 'lasot'),
    ('None', 'pytracking'),
])
def test_a_config_says_how_its_sequences_are_scored(data_root, tmp_path, evaluator, convention):
    config = tmp_path / 'config.py'
    config.write_text(CONFIG.format(benchmark='got10k', split='val', evaluator=evaluator))
    found = load_benchmark(parse('--dataset-config', config, '--data-root', data_root))
    assert (found.name, found.title, found.convention) == ('got10k', 'GOT-10k (val)', convention)
    assert found.dataset.names == ['left', 'right']


def test_a_folder_of_ones_own_is_called_by_its_name(data_root):
    found = load_benchmark(parse('--data-root', data_root))
    assert found.title == 'sequences' and found.convention == 'pytracking'


def test_a_config_without_sequences(tmp_path):
    (tmp_path / 'config.py').write_text('model = dict()\n')
    with pytest.raises(ValueError, match='has no `test_dataloader.dataset`'):
        load_benchmark(parse('--dataset-config', tmp_path / 'config.py'))
