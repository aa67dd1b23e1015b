"""Whatever happens while checkpoints are written or lie there, a training goes on from the newest whole one."""
import errno
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest
import torch
from clean_process import run_clean
from mmengine.hooks import Hook
from toy_training import Mean, toy_train

from ct_mm.engine.checkpoints.reading import read_checkpoint
from ct_mm.engine.checkpoints.resume import newest_whole, training_files
from ct_mm.engine.checkpoints.verified_backend import VerifiedBackend
from ct_mm.engine.checkpoints.writing import save_checkpoint
from ct_mm.registry import HOOKS

SHORT = dict(
    train_cfg=dict(type='ct_mm.GuardedEpochLoop', max_epochs=2),
    train_dataloader=dict(
        batch_size=2, num_workers=0, collate_fn=dict(type='numbers_collate'),
        sampler=dict(type='DefaultSampler', shuffle=True), dataset=dict(type='ct_mm.Numbers', length=4)))


def hook(**more):
    return dict(checkpoint=dict(type='ct_mm.SafeCheckpointHook', **{'interval': 1, **more}))


def files(folder):
    return sorted(file.name for file in folder.iterdir() if file.is_file() and file.suffix != '.py')


def dies_at(folder, count, events):
    """Kills this process before the ``count``-th thing it does to the files of a folder."""
    done = iter(range(1, 10**6))

    def audit(event, args):
        name = str(args[0]) if event in events else ''
        if name.startswith(f'{folder}/') and ('.pth' in name or 'last_checkpoint' in name) and next(done) == count:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(audit)  # for good, so only in a process that is about to end


ONE_KEPT = dict(SHORT, default_hooks=hook(max_keep_ckpts=1))


def life(folder, resume, count, events=()):
    """A training that is killed before its ``count``-th event, if there is a count."""
    if count:
        dies_at(folder, count, events)
    toy_train(folder, resume=resume, **ONE_KEPT)


@pytest.mark.parametrize('events', [
    ('os.rename', 'os.remove'),
    pytest.param(('open', 'os.rename', 'os.remove'), marks=pytest.mark.slow)], ids=['moves', 'all'])
def test_killed_before_any_step_of_writing_a_checkpoint(train, same, tmp_path, events):
    train('whole', **ONE_KEPT)
    for count in range(1, 1000):
        folder = tmp_path / f'killed_{count}'
        status = run_clean(life, folder, False, count, events)
        if not status:
            break
        assert status == -signal.SIGKILL
        found = newest_whole(training_files(folder, 'epoch_{}.pth', 'interrupted.pth'))
        assert (0 if found is None else found.iteration) >= 2 * (folder / 'last_checkpoint').exists()
        assert run_clean(life, folder, True, None) == 0
        assert same(tmp_path / 'whole' / 'epoch_2.pth', folder / 'epoch_2.pth')
        assert files(folder) == files(tmp_path / 'whole') == ['epoch_2.pth', 'last_checkpoint']
    assert count > 4 * len(events)


def cut(content):
    return content[:len(content) // 2]


def flip(content):
    return content[:600] + bytes([content[600] ^ 8]) + content[601:]


def empty(content):
    return b''


@pytest.fixture
def copied(train, tmp_path):
    """A copy of the folder of a whole training, which holds the checkpoints of epochs 3 and 4."""
    train('whole')
    return Path(shutil.copytree(tmp_path / 'whole', tmp_path / 'run'))


@pytest.mark.parametrize('damage', [cut, flip, empty])
def test_a_damaged_checkpoint_is_found_and_the_one_before_it_taken(train, copied, same, tmp_path, damage):
    file = copied / 'epoch_4.pth'
    file.write_bytes(damage(file.read_bytes()))
    train('run', resume=True)
    log = ''.join(path.read_text() for path in copied.rglob('*.log'))
    assert 'epoch_4.pth cannot be used (it is damaged' in log
    assert 'run/epoch_3.pth: everything trained from iteration 13 on is lost, and trained again' in log
    assert same(tmp_path / 'whole' / 'epoch_4.pth', file)


@pytest.mark.parametrize('text', [None, '', '/nowhere/epoch_9.pth', 'epoch_1.pth'])
def test_last_checkpoint_is_not_believed(train, copied, same, tmp_path, text):
    (copied / 'epoch_4.pth').unlink()
    last = copied / 'last_checkpoint'
    last.unlink() if text is None else last.write_text(text)
    train('run', resume=True)
    assert same(tmp_path / 'whole' / 'epoch_4.pth', copied / 'epoch_4.pth')


def test_where_all_checkpoints_are_damaged_none_is_begun_anew(train, tmp_path):
    train('run')
    for file in (tmp_path / 'run').glob('*.pth'):
        file.write_bytes(cut(file.read_bytes()))
    with pytest.raises(ValueError, match=r'no undamaged checkpoint to resume from: epoch_3\.pth .*; epoch_4\.pth'):
        train('run', resume=True)


def test_where_no_checkpoint_is_a_training_begins(train, tmp_path):
    assert train('run', resume=True).iter == 16


def test_a_damaged_checkpoint_that_was_named_is_an_error_that_names_a_whole_one(train, tmp_path):
    train('run')
    file = tmp_path / 'run' / 'epoch_4.pth'
    file.write_bytes(flip(file.read_bytes()))
    with pytest.raises(ValueError, match=r'epoch_4\.pth is damaged.*epoch_3\.pth is whole, with 12 iterations'):
        train('run', resume=True, load_from=str(file))
    assert train('run', resume=True, load_from=str(tmp_path / 'run' / 'epoch_3.pth')).iter == 16


def test_no_bit_of_a_checkpoint_can_change_what_is_read_from_it(train, same, tmp_path):
    """Each 97th bit of the file. All were tried once: 36,488 in a file of 4.5 kB."""
    file, changed = tmp_path / 'a.pth', tmp_path / 'b.pth'
    save_checkpoint(dict(state_dict=dict(a=torch.randn(5), b=torch.ones(3)), meta=dict(epoch=1, iter=3)), file)
    content = file.read_bytes()
    for bit in range(0, 8 * len(content), 97):
        changed.write_bytes(content[:bit // 8] + bytes([content[bit // 8] ^ 1 << bit % 8]) + content[bit // 8 + 1:])
        try:
            meta = read_checkpoint(changed)['meta']
        except ValueError as error:
            assert 'b.pth' in str(error)
        else:
            assert meta == dict(epoch=1, iter=3) and same(file, changed)


def test_a_full_disk_keeps_the_checkpoint_of_before(train, tmp_path, monkeypatch):
    """A write to /dev/full fails as one to a full disk does."""
    put = VerifiedBackend.put

    def full_at_the_third(self, content, path):
        if path.endswith('epoch_3.pth'):
            (tmp_path / 'run' / f'.epoch_3.pth.{os.getpid()}').symlink_to('/dev/full')
        put(self, content, path)

    with monkeypatch.context() as patch:
        patch.setattr(VerifiedBackend, 'put', full_at_the_third)
        with pytest.raises(OSError, match=r'no space left in .*run: .*epoch_3\.pth needs 0\.0 MB.*--resume') as error:
            train('run', default_hooks=hook(max_keep_ckpts=1))
    assert error.value.errno == errno.ENOSPC
    assert files(tmp_path / 'run') == ['epoch_2.pth', 'last_checkpoint']
    assert train('run', resume=True, default_hooks=hook(max_keep_ckpts=1)).iter == 16
    assert files(tmp_path / 'run') == ['epoch_4.pth', 'last_checkpoint']


def test_a_disk_that_gives_back_other_bytes_keeps_the_checkpoint_of_before(train, tmp_path, monkeypatch):
    from ct_mm.engine.checkpoints import verified_backend
    written = []

    def lose_a_bit(path):
        written.append(path)
        if len(written) == 3:
            path.write_bytes(flip(path.read_bytes()))

    monkeypatch.setattr(verified_backend, 'sync', lose_a_bit)
    with pytest.raises(OSError, match=r'different bytes from those written to .*epoch_3\.pth'):
        train('run')
    assert files(tmp_path / 'run') == ['epoch_1.pth', 'epoch_2.pth', 'last_checkpoint']


def test_weights_that_are_no_numbers_are_not_saved(train, toys, tmp_path):
    def infinite_gradient(loss, _samples, steps=iter(range(100))):  # noqa: B008 (one for all steps)
        return loss + (loss - loss.detach()).sqrt() if next(steps) == 9 else loss

    toys(Layers=infinite_gradient)
    with pytest.raises(FloatingPointError, match='non-finite loss'):
        train('run')
    assert files(tmp_path / 'run')[:3] == ['bad_steps.jsonl', 'epoch_1.pth', 'epoch_2.pth']

    def infinite_at_last(loss, _samples, steps=iter(range(100))):  # noqa: B008
        return loss + (loss - loss.detach()).sqrt() if next(steps) == 11 else loss

    toys(Layers=infinite_at_last)
    with pytest.raises(FloatingPointError, match=r'are NaN or infinite, the first one is first\.weight.*epoch_2'):
        train('at_last')
    assert files(tmp_path / 'at_last') == ['epoch_1.pth', 'epoch_2.pth', 'last_checkpoint']


def test_what_could_not_be_read_again_is_an_error_when_it_is_saved(train, tmp_path):

    class PutsAnObject(Hook):

        def before_save_checkpoint(self, runner, checkpoint):
            checkpoint['mine'] = PutsAnObject

    HOOKS.register_module(module=PutsAnObject, force=True)
    with pytest.raises((ValueError, AttributeError), match='PutsAnObject|pickle'):
        train('run', custom_hooks=[dict(type='ct_mm.PutsAnObject')])
    assert not list((tmp_path / 'run').glob('*.pth'))


def test_the_arguments_of_the_hook_mean_what_they_did(train, tmp_path):
    validated = dict(
        val_dataloader=dict(
            batch_size=2, num_workers=0, collate_fn=dict(type='numbers_collate'), dataset=dict(type='ct_mm.Numbers'),
            sampler=dict(type='DefaultSampler', shuffle=False)),
        val_cfg=dict(),
        val_evaluator=dict(type='ct_mm.Mean'))

    def both(name, **more):
        for kind in ('CheckpointHook', 'ct_mm.SafeCheckpointHook'):
            train(f'{name}_{kind}', **validated, default_hooks=dict(checkpoint=dict(type=kind, **more)))
        names = [files(tmp_path / f'{name}_{kind}') for kind in ('CheckpointHook', 'ct_mm.SafeCheckpointHook')]
        assert names[0] == names[1]
        return names[0]

    assert both('a', interval=2) == ['epoch_2.pth', 'epoch_4.pth', 'last_checkpoint']
    assert 'iter_15.pth' in both('b', by_epoch=False, interval=5, max_keep_ckpts=2)
    assert [name for name in both('c', interval=1, max_keep_ckpts=1, save_best='mean', rule='greater')
            if name.startswith('best')]
    assert both('d', interval=3, save_last=False, filename_tmpl='my_{}.pth', save_begin=1) == [
        'last_checkpoint', 'my_1.pth', 'my_4.pth']


def killed_before_the_second_best_appears(folder):
    scores = iter(range(1000, 0, -1))
    Mean.act = staticmethod(lambda _: next(scores))

    def audit(event, args):
        if event == 'os.rename' and str(args[1]).endswith('best_mean_epoch_2.pth'):
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(audit)
    toy_train(
        folder,
        val_dataloader=dict(
            batch_size=8, num_workers=0, collate_fn=dict(type='numbers_collate'), dataset=dict(type='ct_mm.Numbers'),
            sampler=dict(type='DefaultSampler', shuffle=False)),
        val_cfg=dict(),
        val_evaluator=dict(type='ct_mm.Mean'),
        default_hooks=hook(save_best='mean', rule='less', max_keep_ckpts=1))


def test_the_best_checkpoint_of_before_stays_until_the_new_one_is_there(tmp_path):
    assert run_clean(killed_before_the_second_best_appears, tmp_path / 'run') == -signal.SIGKILL
    assert (tmp_path / 'run' / 'best_mean_epoch_1.pth').exists()
