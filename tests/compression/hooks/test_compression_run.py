"""Whole compression runs on a tiny tracker."""
import copy
import subprocess
import sys

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import EMAHook
from run_name import run_name

from ct_mm.cli import build_runner
from ct_mm.compression import replacement_rate, sample_path
from ct_mm.compression.distillation.replacement import is_mixed_step
from ct_mm.engine.checkpoints.reading import read_state_dict
from ct_mm.registry import HOOKS


@pytest.fixture
def build(tmp_path, training_cfg, teacher_file):
    """Builds the runner of a training in a folder of its own."""

    def make(name, resume=False, compress=None, **more):
        return build_runner(Config({
            **copy.deepcopy(training_cfg),
            'runner_type': 'ct_mm.CompressRunner',
            'compress': dict(teacher=teacher_file, num_stages=3, **(compress or {})),
            'work_dir': str(tmp_path / name),
            'experiment_name': run_name(tmp_path),
            'resume': resume,
            **more
        }))

    return make


@pytest.fixture
def run(build):
    """Trains in a folder of its own; returns the runner."""

    def start(name, stop_after=None, **more):
        runner = build(name, **more)
        if stop_after is not None:
            # as a kill after that epoch's checkpoint: the schedule is that of the whole run
            class Killed(Exception):
                pass

            def die(*_args, **_kwargs):
                if runner.epoch == stop_after:
                    raise Killed

            runner.train_loop.run_iter = _before(runner.train_loop.run_iter, die)
            with pytest.raises(Killed):
                runner.train()
        else:
            runner.train()
        return runner

    return start


def _before(function, first):

    def both(*args, **kwargs):
        first()
        return function(*args, **kwargs)

    return both


def test_resumed_equals_uninterrupted_bit_for_bit(run):
    whole = run('whole').model.state_dict()
    run('halves', stop_after=2)
    resumed = run('halves', resume=True).model.state_dict()
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.slow
def test_data_fetched_ahead_give_the_same_training(run, training_cfg):
    whole = run('main').model.state_dict()
    loader = dict(training_cfg['train_dataloader'], num_workers=2, prefetch_factor=3, persistent_workers=True)
    model = dict(training_cfg['model'], data_preprocessor=dict(type='ct_mm.TrackDataPreprocessor', non_blocking=True))
    ahead = run('ahead', train_dataloader=loader, model=model).model.state_dict()
    assert all(torch.equal(value, ahead[name]) for name, value in whole.items())


@pytest.mark.slow
def test_the_seed_matters(run):
    first = run('a').model.state_dict()
    other = run('b', randomness=dict(seed=6)).model.state_dict()
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_rate_and_path_of_each_iteration(run):
    seen = []

    def spy(hook, runner, *args, **kwargs):
        original(hook, runner, *args, **kwargs)
        seen.append((runner.iter, runner.message_hub.get_scalar('train/replacement_rate').current(),
                     runner.model.path))

    from ct_mm.compression.hooks import ReplacementRateHook
    original = ReplacementRateHook.before_train_iter
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ReplacementRateHook, 'before_train_iter', spy)
        run('run', train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=10))
    expected = [(i, replacement_rate(i // 2, 10)) for i in range(20)]  # two iterations an epoch
    assert [i for i, *_ in seen] == list(range(20))
    assert [rate for _, rate, _ in seen] == pytest.approx([rate for _, rate in expected])
    assert [path for *_, path in seen] == [sample_path(5, i, rate, 3) for i, rate in expected]


def test_a_share_of_the_steps_trains_mixtures_to_the_end_and_resumes(run):
    replacement = dict(schedule='constant', initial=1.0, mixed_share=0.5)
    paths = []

    def spy(hook, runner, *args, **kwargs):
        original(hook, runner, *args, **kwargs)
        paths.append(runner.model.path)

    from ct_mm.compression.hooks import ReplacementRateHook
    original = ReplacementRateHook.before_train_iter
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ReplacementRateHook, 'before_train_iter', spy)
        whole = run('whole', compress=dict(replacement=replacement)).model.state_dict()
        expected, paths[:] = list(paths), []
        run('halves', stop_after=2, compress=dict(replacement=replacement))
        resumed = run('halves', resume=True, compress=dict(replacement=replacement)).model.state_dict()
    assert paths == expected and all(torch.equal(whole[name], resumed[name]) for name in whole)
    mixed = [is_mixed_step(5, i, 0.5) for i in range(8)]
    assert expected == [sample_path(5, i, 0.5 if each else 1.0, 3) for i, each in enumerate(mixed)]
    assert any(mixed[4:]) and not all(mixed)


def test_the_work_dir_holds_a_flat_config_that_resumes(run, tmp_path):
    run('run', stop_after=2)
    dumped = next((tmp_path / 'run').glob('*.py'))
    cfg = Config.fromfile(dumped)
    assert '_base_' not in dumped.read_text() and cfg.model.type == 'ct_mm.ReplacementDistiller'
    cfg.resume, cfg.work_dir = True, str(tmp_path / 'run')
    runner = build_runner(cfg)
    runner.train()
    assert runner.epoch == 4 and (tmp_path / 'run' / 'student' / 'student.pth').is_file()


def test_a_formatted_config_holds_the_same(build, tmp_path, formatted_configs):
    runner = build('run')
    dumped = next((tmp_path / 'run').glob('*.py'))
    assert Config.fromfile(dumped).to_dict() == runner.cfg.to_dict()
    assert 'model = dict(\n    ' in dumped.read_text()  # as yapf writes it


def test_a_teacher_that_is_gone_is_an_error_on_resume(run, teacher_file, tmp_path):
    run('run', stop_after=2)
    (tmp_path / 'teacher.pth').unlink()
    with pytest.raises(FileNotFoundError, match='teacher.pth'):
        run('run', resume=True)


def test_the_checkpoint_has_the_size_of_the_student(run, tmp_path):
    runner = run('run')
    saved = torch.load(tmp_path / 'run' / 'epoch_4.pth', weights_only=False)
    assert all(name.startswith('student.') for name in saved['state_dict'])
    assert len(saved['optimizer']['state']) == len(list(runner.model.student.parameters()))


def test_exported_student_is_the_trained_one_and_runs_without_the_compression_wing(run, tmp_path, batch):
    runner = run('run', compress=dict(export=dict(initial=True)))
    folder = tmp_path / 'run' / 'student'
    torch.save(batch[0], tmp_path / 'inputs.pt')
    code = f"""
import sys, torch, ct_mm
from mmengine.config import Config
from ct_mm.registry import MODELS
torch.set_num_threads({torch.get_num_threads()})  # another number sums in another order
sys.modules['ct_mm.compression'] = None  # any import of it is now an error
MODELS._locations.remove('ct_mm.compression')
cfg = Config.fromfile({str(folder / 'student.py')!r})
assert 'compress' not in cfg and 'runner_type' not in cfg and not cfg.custom_hooks
model = MODELS.build(cfg.model).eval()
model.load_state_dict(torch.load({str(folder / 'student.pth')!r}, weights_only=True)['state_dict'], strict=True)
with torch.no_grad():
    out = model(torch.load({str(tmp_path / 'inputs.pt')!r}, weights_only=True), mode='tensor')
torch.save(out, {str(tmp_path / 'out.pt')!r})
"""
    subprocess.run([sys.executable, '-c', code], check=True, timeout=120)
    with torch.no_grad():
        expected = runner.model.eval()(batch[0], mode='tensor')
    out = torch.load(tmp_path / 'out.pt', weights_only=True)
    assert out.keys() == expected.keys() and all(torch.equal(out[name], expected[name]) for name in out)
    initial = read_state_dict(folder / 'initial.pth')
    teacher = runner.model.teacher.state_dict()
    assert torch.equal(initial['backbone.blocks.0.mlp.fc1.weight'], teacher['backbone.blocks.1.mlp.fc1.weight'])


def test_a_model_whose_config_has_no_depth_is_exported_divided(run, tmp_path, training_cfg, batch):
    from ct_mm.registry import MODELS
    from ct_mm.tracking.models.ostrack import OneStreamViT

    class SixLayers(OneStreamViT):

        def __init__(self, **kwargs):
            super().__init__(depth=6, **kwargs)

    MODELS.register_module(name='SixLayers', module=SixLayers, force=True)
    try:
        model = copy.deepcopy(training_cfg['model'])
        model['backbone']['type'] = 'ct_mm.SixLayers'
        del model['backbone']['depth']
        runner = run('run', model=model)
        folder = tmp_path / 'run' / 'student'
        cfg = Config.fromfile(folder / 'student.py')
        assert cfg.model.backbone.type == 'ct_mm.StageDividedBackbone'
        student = MODELS.build(cfg.model).eval()
        student.load_state_dict(read_state_dict(folder / 'student.pth'))
        with torch.no_grad():
            expected, out = (m.eval()(batch[0], mode='tensor') for m in (runner.model, student))
        assert all(torch.equal(out[name], expected[name]) for name in out)
    finally:
        MODELS.module_dict.pop('SixLayers')


def test_nan_in_a_loss_stops_the_run_and_names_it(run, training_cfg):
    broken = copy.deepcopy(training_cfg['optim_wrapper'])
    broken['optimizer']['lr'] = float('inf')
    with pytest.raises(FloatingPointError, match='loss_'):
        run('run', optim_wrapper=broken)


def test_testing_the_compression_config_tests_the_student(run, tmp_path):
    run('run')
    cfg = Config.fromfile(next((tmp_path / 'run').glob('*.py')))
    cfg.work_dir, cfg.load_from, cfg.resume = str(tmp_path / 'test'), str(tmp_path / 'run' / 'epoch_4.pth'), False
    runner = build_runner(cfg)
    runner.load_or_resume()
    trained = read_state_dict(tmp_path / 'run' / 'epoch_4.pth')
    assert all(torch.equal(value, trained[name]) for name, value in runner.model.state_dict().items())


def test_a_fitted_start_is_nearer_to_the_teacher_and_a_resumed_run_is_not_fitted_again(run, tmp_path, monkeypatch):
    from ct_mm.compression.hooks import stage_fit_hook
    tables = []
    monkeypatch.setattr(stage_fit_hook, 'print_log', lambda text, *_: tables.append(text))
    fit = dict(fit=dict(samples=12, batch_size=4), export=dict(initial=True))
    whole = run('whole', compress=fit).model
    rows = [line.split() for line in tables[0].splitlines()[3:]]
    assert len(rows) == 3 and all(float(fitted) > float(copied) for _, copied, fitted, *_ in rows)
    initial = read_state_dict(tmp_path / 'whole' / 'student' / 'initial.pth')
    teacher = whole.teacher.state_dict()
    assert torch.equal(initial['backbone.blocks.2.mlp.fc2.weight'], teacher['backbone.blocks.5.mlp.fc2.weight'])
    run('halves', stop_after=2, compress=fit)
    resumed = run('halves', resume=True, compress=fit).model.state_dict()
    assert len(tables) == 2, 'one for each start, none for the resumed part'
    assert all(torch.equal(value, resumed[name]) for name, value in whole.state_dict().items())


@HOOKS.register_module(force=True)
class TestsBothWeights(EMAHook):
    """As mmpretrain's, which tests the last weights, too, after the test of the averages."""

    __test__ = False

    def after_test_epoch(self, runner, metrics=None):
        raise AssertionError('an export is no test')


def test_where_the_weights_are_averaged_the_average_is_exported(run, tmp_path):
    hook = dict(type='ct_mm.TestsBothWeights', momentum=0.3)
    model = run('run', custom_hooks=[hook]).model
    exported = read_state_dict(tmp_path / 'run' / 'student' / 'student.pth')
    checkpoint = torch.load(tmp_path / 'run' / 'epoch_4.pth', weights_only=False)
    average, last = checkpoint['state_dict'], model.state_dict()
    names = {name: f'student.{name}' for name in exported if f'student.{name}' in average and 'blocks' not in name}
    assert all(torch.equal(exported[name], average[own]) for name, own in names.items())
    assert not all(torch.equal(exported[name], last[own]) for name, own in names.items())
