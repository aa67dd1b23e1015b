"""The script that measures the hybrids of a student."""
import json
import shutil

import cv2
import numpy as np
import pytest
import torch

from ct_mm.compression import compress
from ct_mm.compression.export.hybrid import best_of_each_depth, hybrid_depth, score_paths
from ct_mm.engine.checkpoints.reading import read_state_dict
from ct_mm.registry import MODELS
from ct_mm.tracking.inference import init_model

CONFIG = """
_base_ = ['ct_mm::quickstart/tiny_tracker.py', 'ct_mm::_base_/compress.py']
compress = dict(teacher='ct_mm::demo/teacher/tiny_teacher.pth', num_stages=2)
"""


@pytest.fixture
def measure(run_tool, tmp_path):
    """Measures the copied layers of two stages, as the student, on a sequence of three frames."""
    from mmengine.config import Config
    config, student = tmp_path / 'two.py', tmp_path / 'student.pth'
    config.write_text(CONFIG)
    distiller = MODELS.build(compress(Config.fromfile(config)).model)
    distiller.init_weights()
    torch.save(distiller.state_dict(), student)
    folder = tmp_path / 'data' / 'one'
    folder.mkdir(parents=True)
    for i in range(3):
        frame = np.random.default_rng(i).integers(0, 255, (90, 120, 3), np.uint8)
        cv2.imwrite(str(folder / f'{i:08d}.jpg'), frame)
    (folder / 'groundtruth.txt').write_text('30,20,30,30\n' * 3)

    def start(*more):
        run_tool('analysis_tools/curve.py', config, student, '--data-root', tmp_path / 'data', '--out-dir',
                 tmp_path / 'out', '--rounds', 2, *more)
        return json.loads((tmp_path / 'out' / 'curve.json').read_text())

    return start


def test_all_paths_the_teacher_and_another_tracker_are_measured_once(measure, tmp_path, capsys):
    teacher = 'ct_mm::configs/quickstart/tiny_tracker.py:ct_mm::demo/teacher/tiny_teacher.pth'
    curve = measure('--also', f'alone={teacher}')
    trackers = curve['trackers']
    assert set(trackers) == {'teacher', 'alone', '11', '10', '01', '00'}
    assert {name: facts['layers'] for name, facts in trackers.items()} == dict(
        {'11': 2, '10': 7, '01': 7, '00': 12}, teacher=12, alone=12)
    assert trackers['alone']['ao'] == trackers['teacher']['ao'] == trackers['00']['ao']  # nothing was trained
    assert all(facts['ms'] > 0 for facts in trackers.values())
    exported = init_model(str(tmp_path / 'out' / '10' / 'student.py'), str(tmp_path / 'out' / '10' / 'student.pth'))
    assert len(exported.backbone.blocks) == 7
    table = (tmp_path / 'out' / 'curve.md').read_text()
    assert '**path 11**' in table and table.count('**path') == 3 and '100.0%' in table
    assert cv2.imread(str(tmp_path / 'out' / 'curve.png')).shape[0] > 300
    capsys.readouterr()
    shutil.rmtree(tmp_path / 'out' / '01')
    curve['trackers'].pop('01')
    (tmp_path / 'out' / 'curve.json').write_text(json.dumps(curve))
    again = measure('--also', f'alone={teacher}')
    lines = [line for line in capsys.readouterr().out.splitlines() if 'layers, AO' in line]
    assert [line.split(':')[0] for line in lines] == ['01'], 'only what is missing is measured'
    assert again['trackers']['10']['ao'] == curve['trackers']['10']['ao']


def test_the_results_of_other_weights_are_not_mixed_in(measure, tmp_path, capsys):
    measure()
    state = read_state_dict(tmp_path / 'student.pth')
    torch.save({name: value + 0.01 for name, value in state.items()}, tmp_path / 'student.pth')
    with pytest.raises(SystemExit):
        measure()
    assert 'was measured with other weights or sequences' in ' '.join(capsys.readouterr().err.split())
    (tmp_path / 'out' / 'curve.json').write_text('{"trackers": {"a": {"ao": 7}}}')
    with pytest.raises(SystemExit):
        measure()
    assert 'is not the curve.json of' in ' '.join(capsys.readouterr().err.split())


@pytest.mark.parametrize('other', ['teacher=a:b', '101=a:b', 'a=b', 'a'])
def test_other_trackers_need_a_name_and_two_files(measure, other, capsys):
    with pytest.raises(SystemExit):
        measure('--also', other)
    assert 'this must be NAME=CONFIG:CHECKPOINT' in ' '.join(capsys.readouterr().err.split())


def test_a_greedy_chain_takes_the_best_stage_each_time():
    worth, asked = (3, 1, 2), []

    def score(path):
        asked.append(path)
        return sum(value for value, each in zip(worth, path) if not each)

    scores = score_paths(3, score, limit=7)
    assert len(asked) == len(scores) == 7
    chain = [(True, True, True), (False, True, True), (False, True, False), (False, False, False)]
    assert set(chain) <= set(scores) and (True, False, False) not in scores


def test_the_best_path_of_a_depth_counts_the_layers_of_uneven_stages():
    from torch import nn

    from ct_mm.compression import StageDividedBackbone
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2), 7, enable_nested_tensor=False)
    divided = StageDividedBackbone(encoder, stage_sizes=[2, 4, 1], layers_per_stage=[1, 2, 1]).divided
    depths = {path: hybrid_depth(divided, path) for path in score_paths(3, sum)}
    assert depths[True, True, True] == 4 and depths[True, False, True] == 6 and depths[False, False, False] == 7
    best = best_of_each_depth({path: 1.0 * path[2] for path in depths}, divided)
    assert list(best) == [4, 5, 6, 7] and all(path[2] for path in best.values())
