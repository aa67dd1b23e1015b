"""What a compression run shows of itself."""
import copy
import json

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from run_name import run_name

from ct_mm.cli import build_runner
from ct_mm.compression.hooks import StageProgressHook
from ct_mm.compression.hooks.training_picture import draw_training


@pytest.fixture
def run(tmp_path, training_cfg, teacher_file):
    """Trains with a validation on one short sequence; returns the runner."""
    folder = tmp_path / 'clips' / 'noise'
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for index in range(3):
        cv2.imwrite(str(folder / f'{index}.jpg'), rng.integers(0, 255, (60, 80, 3), np.uint8))
    (folder / 'groundtruth.txt').write_text('20,20,20,20\n' * 3)
    val = dict(
        val_dataloader=dict(batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
                            dataset=dict(type='ct_mm.SequenceFolder', data_root=str(tmp_path / 'clips'))),
        val_evaluator=dict(type='ct_mm.SOTMetric', outfile_prefix=str(tmp_path / 'tracks')),
        val_cfg=dict())

    def start(name='run', epochs=4, resume=False, **more):
        cfg = Config({
            **copy.deepcopy(training_cfg), **copy.deepcopy(val),
            'default_hooks': dict(logger=dict(type='LoggerHook', interval=1),
                                  checkpoint=dict(type='CheckpointHook', interval=4)),
            'train_cfg': dict(type='EpochBasedTrainLoop', max_epochs=epochs, val_interval=2),
            'runner_type': 'ct_mm.CompressRunner',
            'compress': dict(teacher=teacher_file, num_stages=3, progress=dict(interval=3)),
            'work_dir': str(tmp_path / name), 'experiment_name': run_name(tmp_path), 'resume': resume, **more
        })
        runner = build_runner(cfg)
        runner.train()
        return runner

    return start


def scalars(runner, name):
    return runner.message_hub.get_scalar(name).data[0]


def logged(tmp_path):
    file, = (tmp_path / 'run').glob('*/vis_data/scalars.json')
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_stages_teacher_and_picture_are_shown_and_change_nothing(run, tmp_path, teacher_file, monkeypatch):
    seen, evaluated = [], []
    after_train_iter, evaluate = StageProgressHook.after_train_iter, Evaluator.evaluate

    def see(hook, runner, *args, **kwargs):
        seen.append((runner.model.path, runner.model.losses['mimic'].stage_errors.clone()))
        after_train_iter(hook, runner, *args, **kwargs)

    def keep(evaluator, size):
        evaluated.append(evaluate(evaluator, size))
        return evaluated[-1]

    monkeypatch.setattr(StageProgressHook, 'after_train_iter', see)
    monkeypatch.setattr(Evaluator, 'evaluate', keep)
    runner = run()
    assert len(seen) == 8
    steps = [seen[:3], seen[3:6], seen[6:]]
    for stage in range(3):
        assert scalars(runner, f'train/student_stage_{stage}') == pytest.approx(
            [np.mean([path[stage] for path, _ in part]) for part in steps])
        assert scalars(runner, f'train/mimic_stage_{stage}') == pytest.approx(
            [np.mean([errors[stage] for _, errors in part]) for part in steps])
    assert sum('mimic_stage_2' in line for line in logged(tmp_path)) >= 3, 'the visualizer got them'
    assert scalars(runner, 'train/loss_mimic')[-1] == pytest.approx(0.2 * seen[-1][1].mean().item(), rel=1e-5)

    assert len(evaluated) == 3, 'the teacher, then the student twice'
    assert list(scalars(runner, 'val/teacher/sot/ao')) == [evaluated[0]['sot/ao']] * 2
    assert list(scalars(runner, 'val/sot/ao')) == [scores['sot/ao'] for scores in evaluated[1:]]
    shown = [line for line in logged(tmp_path) if 'teacher/sot/ao' in line]
    assert len(shown) == 2 and all('sot/ao' in line for line in shown)

    picture = cv2.imread(str(tmp_path / 'run' / 'training.png'))
    assert picture is not None and picture.shape[1] > 800
    assert not list((tmp_path / 'run').glob('.training*'))

    trained = runner.model.state_dict()
    plain = run('without', compress=dict(teacher=teacher_file, num_stages=3, teacher_score=False, progress=None))
    assert all(torch.equal(value, trained[name]) for name, value in plain.model.state_dict().items())
    assert not (tmp_path / 'without' / 'training.png').exists()

    evaluated.clear()
    run(epochs=6, resume=True)
    assert len(evaluated) == 1, 'a resumed run remembers what the teacher scored'


def test_curves_of_the_picture():
    values = {
        'train/loss': np.linspace(2, 1, 1000), 'train/loss_mimic': np.full(1000, np.nan),
        'train/mimic_stage_10': np.ones(4), 'train/mimic_stage_2': np.array([1, np.nan, 3, 4]),
        'val/sot/success': np.zeros(2), 'val/sot/ao': np.array([.4, .5]), 'val/teacher/sot/ao': np.array([.7, .7])}
    histories = {name: (value, np.ones(len(value))) for name, value in values.items()}
    histories['train/replacement_rate'] = np.array([1.0, 0.8]), np.array([2, 1])  # 0.5 twice, then 0.8
    losses, mimic, rates, scores = draw_training(histories, 1000).axes
    x, y = losses.lines[0].get_data()
    assert len(x) == 200 and x[-1] == 1000 and y.mean() == pytest.approx(1.5)
    assert [line.get_label() for line in mimic.lines] == ['stage 2', 'stage 10'], 'in the order of numbers'
    assert [line.get_label() for line in scores.lines] == ['student', 'teacher']
    assert scores.get_title().startswith('validation: sot/ao') and list(scores.lines[0].get_xdata()) == [500, 1000]
    assert [part.tolist() for part in map(np.asarray, rates.lines[0].get_data())] == [[pytest.approx(2000 / 3), 1000],
                                                                                    [0.5, 0.8]]
    assert all('should fall' in axes.get_title() for axes in (losses, mimic))
    few = draw_training({name: histories[name] for name in ('train/loss', 'train/replacement_rate')}, 1000)
    assert len(few.axes) == 2 and not draw_training({}, 0).axes, 'no panel is empty'
    few.canvas.draw()
    for axes in few.axes:
        assert axes.get_legend().get_window_extent().x0 >= axes.bbox.x1, 'no legend over the curves'
