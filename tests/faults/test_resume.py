"""Going on exactly where a checkpoint was taken, with this very training and no other."""
import copy
import shutil

import pytest
import torch
from clean_process import run_clean
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from toy_training import toy_config, toy_train

from ct_mm import cli
from ct_mm.compression import ReplacementDistiller
from ct_mm.engine.checkpoints.reading import read_checkpoint
from ct_mm.engine.checkpoints.resume import check_resumable, describe_config
from ct_mm.engine.checkpoints.writing import save_checkpoint
from ct_mm.registry import MODELS

EVERY_3_STEPS = dict(checkpoint=dict(type='ct_mm.SafeCheckpointHook', interval=3, by_epoch=False))


def only_until(step, source, target):
    """A copy of a training's folder as it was after a step."""
    shutil.copytree(source, target)
    for file in target.glob('*.pth'):
        if int(file.stem.split('_')[1]) > step:
            file.unlink()


def test_a_checkpoint_within_an_epoch_is_gone_on_from_exactly(train, same, tmp_path):
    """After the first, the second, the third and the last of an epoch's four steps, its hooks not yet called."""
    train('run', default_hooks=EVERY_3_STEPS)
    for step in (9, 6, 3, 12):
        again = tmp_path / f'from_{step}'
        only_until(step, tmp_path / 'run', again)
        train(again.name, resume=True, default_hooks=EVERY_3_STEPS)
        assert same(tmp_path / 'run' / 'iter_16.pth', again / 'iter_16.pth')


def train_with_a_worker(folder, resume):
    loader = toy_config(folder).train_dataloader
    loader.update(num_workers=1, persistent_workers=True)
    toy_train(folder, resume=resume, default_hooks=EVERY_3_STEPS, train_dataloader=loader)


def test_so_it_is_with_workers_that_live_over_the_epochs(same, tmp_path):
    assert run_clean(train_with_a_worker, tmp_path / 'run', False, threads=None) == 0
    only_until(9, tmp_path / 'run', tmp_path / 'again')
    assert run_clean(train_with_a_worker, tmp_path / 'again', True, threads=None) == 0
    assert same(tmp_path / 'run' / 'iter_16.pth', tmp_path / 'again' / 'iter_16.pth')


@pytest.fixture
def stopped(train, tmp_path):
    """The folder of a training that was stopped after 9 of its 16 steps, one step into the third epoch."""
    train('run', default_hooks=EVERY_3_STEPS)
    for name in ('iter_12.pth', 'iter_15.pth', 'iter_16.pth'):
        (tmp_path / 'run' / name).unlink()
    return tmp_path / 'run'


def test_another_number_of_batches_is_an_error_within_an_epoch(train, config, stopped):
    loader = config().train_dataloader
    loader.batch_size = 4
    with pytest.raises(ValueError, match=r'after 1 of the 4 batches of epoch 3, but an epoch has 2 batches here'):
        train('run', resume=True, train_dataloader=loader, default_hooks=EVERY_3_STEPS)


def test_another_model_is_an_error_that_says_how_to_begin_from_the_weights(train, stopped):
    before = {file.name: file.read_bytes() for file in stopped.glob('*.pth')}
    with pytest.raises(ValueError, match=r'model\.width: nothing in the checkpoint, 8 here\n.*first\.weight: shape '
                                         r'\(6, 4\) in the checkpoint, \(8, 4\) in the model(.|\n)*load_from'):
        train('run', resume=True, model=dict(type='ct_mm.Layers', width=8), default_hooks=EVERY_3_STEPS)
    assert before == {file.name: file.read_bytes() for file in stopped.glob('*.pth')}


def test_another_kind_of_optimizer_is_an_error(train, stopped):
    with pytest.raises(ValueError, match=r'optim_wrapper\.optimizer\.type: "AdamW" in the checkpoint, "SGD" here'):
        train('run', resume=True, default_hooks=EVERY_3_STEPS,
              optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=1e-2)))


def test_epochs_hooks_and_rates_may_be_others_and_are_told(train, stopped):
    runner = train(
        'run',
        resume=True,
        train_cfg=dict(type='ct_mm.GuardedEpochLoop', max_epochs=5),
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=5e-3), clip_grad=dict(max_norm=1.0)),
        default_hooks=dict(checkpoint=dict(type='ct_mm.SafeCheckpointHook', interval=7, by_epoch=False)),
        custom_hooks=[dict(type='ct_mm.StepSeedHook', seed=4)])
    assert runner.iter == 20
    log = ''.join(path.read_text() for path in stopped.rglob('*.log'))
    assert 'train_cfg.max_epochs: 4 in the checkpoint, 5 here' in log
    assert 'optim_wrapper.optimizer.lr: 0.01 in the checkpoint, 0.005 here' in log


def test_the_division_must_be_that_of_the_checkpoint_and_the_teacher_may_have_moved():
    model = dict(type='ct_mm.ReplacementDistiller', teacher='a.pth', stage_sizes=[2, 4], model=dict(type='X', depth=6))
    cfg = Config(dict(model=model))
    layers = MODELS.build(dict(type='ct_mm.Layers'))
    layers.free_keys = ReplacementDistiller.free_keys
    checkpoint = dict(state_dict=layers.state_dict(), meta=dict(run=describe_config(cfg)))
    assert check_resumable(checkpoint, layers, Config(dict(model=dict(model, teacher='b.pth')))) == []
    with pytest.raises(ValueError, match=r'model\.stage_sizes\[0\]: 2 in the checkpoint, 3 here'):
        check_resumable(checkpoint, layers, Config(dict(model=dict(model, stage_sizes=[3, 3]))))


def test_a_checkpoint_of_mmengines_own_hook_and_loop_is_gone_on_from(train, same, tmp_path):
    plain = dict(
        train_cfg=dict(by_epoch=True, max_epochs=4), default_hooks=dict(checkpoint=dict(
            type='CheckpointHook', interval=1)))
    train('whole', **copy.deepcopy(plain))
    train('run', **copy.deepcopy(plain))
    for number in (3, 4):
        (tmp_path / 'run' / f'epoch_{number}.pth').unlink()
    train('run', resume=True)
    assert read_checkpoint(tmp_path / 'run' / 'epoch_4.pth')['meta']['iter'] == 16
    assert same(tmp_path / 'whole' / 'epoch_4.pth', tmp_path / 'run' / 'epoch_4.pth')


def test_weights_of_another_training_are_loaded_as_ever_without_resume(train, stopped):
    runner = train('other', load_from=str(stopped / 'iter_9.pth'), model=dict(type='ct_mm.Layers', width=8))
    assert runner.iter == 16


def test_a_loss_that_an_old_checkpoint_logged_is_not_logged_any_more(train, stopped):
    file = stopped / 'iter_9.pth'
    content = torch.load(file, weights_only=False)
    del content['meta']['run']
    content['message_hub']['log_scalars']['train/loss_gone'] = HistoryBuffer([1.0], [1])
    content['message_hub']['log_scalars']['val/mean'] = HistoryBuffer([2.0], [1])
    save_checkpoint(content, file)
    hub = train('run', resume=True, default_hooks=EVERY_3_STEPS).message_hub
    assert {'train/loss_square', 'val/mean'} <= set(hub.log_scalars) and 'train/loss_gone' not in hub.log_scalars


def test_a_misspelt_argument_of_the_checkpoint_hook_is_an_error_when_it_is_built(config):
    hooks = dict(checkpoint=dict(type='ct_mm.SafeCheckpointHook', intervall=3))
    with pytest.raises(ValueError, match=r'default_hooks\.checkpoint\.intervall is unknown; did you mean interval\?'):
        cli.build_runner(config(default_hooks=hooks))
