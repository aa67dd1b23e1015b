"""Training and test as jobs of several processes on CPUs, started by the commands that users type."""
import copy
import json
import os

import cv2
import numpy as np
import pytest
import torch
from jobs import TORCHRUN, end, free_port, start, torchrun
from mmengine.config import Config
from run_name import run_name
from toy_training import CONFIG, same

from ct_mm import test
from ct_mm.cli import build_runner
from ct_mm.compression import sample_path
from ct_mm.compression.distillation.replacement_distiller import ReplacementDistiller
from ct_mm.engine.checkpoints.reading import read_checkpoint, read_state_dict
from ct_mm.engine.guard_training import guard_training
from ct_mm.engine.work_dir_lock import only_training_in

#: 4 epochs of 2 steps, each saved and then validated.
TOY = Config(copy.deepcopy(dict(
    CONFIG, model=dict(type='ct_mm.PlainAndNormed'),
    val_dataloader=dict(CONFIG['train_dataloader'], sampler=dict(type='DefaultSampler', shuffle=False)),
    val_cfg=dict(), val_evaluator=dict(type='ct_mm.Mean'),
    custom_hooks=[*CONFIG['custom_hooks'], dict(type='ct_mm.SignalOnce')],
    optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-2)),
    custom_imports=dict(imports=['job_parts']))))
TRACKER = """
_base_ = ['ct_mm::quickstart/tiny_tracker.py', 'ct_mm::_base_/compress.py']
custom_imports = dict(imports=['job_parts'])
compress = dict(teacher='ct_mm::demo/teacher/tiny_teacher.pth', num_stages=3)
train_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False,
    dataset=dict(
        pairs_per_epoch=32,
        sources=[dict(type='ct_mm.SequencePairs',
                      dataset=dict(type='ct_mm.SequenceFolder', data_root='ct_mm::demo/clips'))]))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1)
param_scheduler = None
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=1e-3))
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=1, max_keep_ckpts=-1))
custom_hooks = [dict(type='ct_mm.SignalOnce')]
"""


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('jobs')
    TOY.dump(folder / 'toy.py')
    (folder / 'tracker.py').write_text(TRACKER)
    return folder


@pytest.fixture(scope='module')
def whole(folder):
    """An undisturbed training by two agents of torchrun, as on two nodes; how they ended."""
    port = free_port()
    return end(*[start([*TORCHRUN, '--nnodes', '2', '--node-rank', str(rank), '--nproc-per-node', '1',
                        '--rdzv-backend', 'c10d', '--rdzv-endpoint', f'127.0.0.1:{port}', '-m', 'ct_mm.train',
                        'toy.py', '--work-dir', 'whole', '--launcher', 'pytorch', '--device', 'cpu'], folder)
                 for rank in range(2)])


def test_two_nodes_with_one_process_each_train_as_one_process_with_the_whole_batch(folder, whole):
    assert [(node.status, node.errors) for node in whole] == [(0, [])] * 2, whole
    cfg = Config.fromfile(folder / 'toy.py')
    cfg.update(work_dir=str(folder / 'alone'), experiment_name=run_name(folder))
    cfg.train_dataloader.batch_size *= 2
    build_runner(cfg).train()
    alone, together = (read_state_dict(str(folder / name / 'epoch_4.pth')) for name in ('alone', 'whole'))
    for name in ('plain.0.weight', 'plain.2.bias'):
        torch.testing.assert_close(together[name], alone[name], rtol=0, atol=1e-6)
    assert not torch.equal(together['normed.first.weight'], alone['normed.first.weight'])  # other batch statistics


def validations(work_dir):
    lines = [json.loads(line) for file in work_dir.rglob('scalars.json') for line in file.read_text().splitlines()]
    return sorted({(line['step'], line['mean']) for line in lines if 'mean' in line})


@pytest.mark.slow
def test_a_killed_rank_ends_in_one_line_and_a_restart_trains_on_bit_for_bit(folder, whole):
    job = torchrun(folder, 'ct_mm.train', 'toy.py', '--work-dir', 'killed', options=['--max-restarts', '1'],
                   JOB_SIGNAL='SIGKILL 1 5')
    assert job.status == 0, job.err
    line, = job.errors
    assert 'another process of this job ended early or was killed' in line and '--resume' in line
    assert read_checkpoint(folder / 'killed' / 'epoch_4.pth')['meta']['iter'] == 8
    assert 'resumed epoch: 2, iter: 4' in job.out + job.err
    assert same(folder / 'whole' / 'epoch_4.pth', folder / 'killed' / 'epoch_4.pth')
    scores = validations(folder / 'killed')
    assert len(scores) == 4 and scores == validations(folder / 'whole')  # both ranks use the statistics that are saved


@pytest.fixture(scope='module')
def told(folder):
    """A compression of a tracker, which is told to end."""
    return torchrun(folder, 'ct_mm.train', 'tracker.py', '--work-dir', 'tracker', JOB_SIGNAL='^SIGTERM 0 3')


@pytest.mark.slow
def test_sigterm_to_a_job_saves_once(folder, told):
    assert told.status != 0 and not told.errors, told.err
    assert (told.out + told.err).count('stopped by SIGTERM after iteration') == 1
    file = folder / 'tracker' / 'interrupted.pth'
    assert (folder / 'tracker' / 'last_checkpoint').read_text() == str(file)
    assert 4 <= read_checkpoint(file)['meta']['iter'] < 8


@pytest.mark.slow
def test_two_ranks_train_a_tracker_by_the_mean_of_the_gradients_of_their_halves(folder, told):
    cfg = Config.fromfile(folder / 'tracker.py')
    cfg.update(work_dir=str(folder / 'gradients'), experiment_name=run_name(folder), launcher='none')
    runner = build_runner(guard_training(cfg))
    runner.train_loop, runner._init_model_weights()
    distiller, data = ReplacementDistiller.of(runner), runner.train_dataloader
    before = {name: value.clone() for name, value in distiller.named_parameters()}
    after = read_state_dict(str(folder / 'tracker' / 'iter_1.pth'))
    distiller.path = sample_path(0, 0, 0.5, 3)
    gradients = {name: [] for name in before}
    for rank in range(2):
        distiller.zero_grad()
        batch = distiller.data_preprocessor(data.collate_fn([data.dataset[draw] for draw in (rank, rank + 2)]), True)
        distiller.train()
        distiller.parse_losses(distiller(**batch, mode='loss'))[0].backward()
        for name, value in distiller.named_parameters():
            if value.grad is not None:
                gradients[name].append(value.grad.clone())
    trained = {name: halves for name, halves in gradients.items() if halves}
    for name, halves in trained.items():
        torch.testing.assert_close(after[name], before[name] - 1e-3 * sum(halves) / 2, rtol=0, atol=1e-6, msg=name)
    assert max(float((one - other).abs().max()) for one, other in trained.values()) > 0.1  # 1e-4 in the weights
    skipped = set(before) - set(trained)  # the layers of stages that the teacher ran
    assert skipped and all(torch.equal(after[name], before[name]) for name in skipped)


def slurm(folder, *argv):
    """Runs a module as two tasks of a step of Slurm, one on each of two nodes."""
    port = free_port()
    return end(*[start([TORCHRUN[0], '-m', *argv, '--launcher', 'slurm', '--device', 'cpu'], folder, MASTER_PORT=port,
                       SLURM_PROCID=str(rank), SLURM_LOCALID='0', SLURM_NTASKS='2', SLURM_NODELIST='127.0.0.[1-2]')
                 for rank in range(2)])


@pytest.mark.slow
def test_tasks_of_slurm_resume_a_training_that_torchrun_began(folder, told):
    tasks = slurm(folder, 'ct_mm.train', 'tracker.py', '--work-dir', 'tracker', '--resume')
    assert [(task.status, task.errors) for task in tasks] == [(0, [])] * 2, tasks
    whole = torchrun(folder, 'ct_mm.train', 'tracker.py', '--work-dir', 'undisturbed')
    assert whole.status == 0, whole.err
    assert same(folder / 'tracker' / 'iter_8.pth', folder / 'undisturbed' / 'iter_8.pth')
    for name in ('tracker', 'undisturbed'):
        assert (folder / name / 'student' / 'student.pth').exists()


@pytest.mark.slow
def test_a_second_job_in_the_same_work_dir_is_refused_by_all_ranks_in_one_line(folder):
    (folder / 'busy').mkdir()
    with only_training_in(folder / 'busy'):
        job = torchrun(folder, 'ct_mm.train', 'toy.py', '--work-dir', 'busy')
    line, = job.errors
    assert job.status != 0 and 'another training is running in ' in line and str(os.getpid()) in line
    assert not list((folder / 'busy').glob('*.pth'))


@pytest.fixture(scope='module')
def sequences(folder):
    """Three sequences of a bright square that walks over noise."""
    ground = np.random.default_rng(0).integers(0, 120, (90, 120, 3), np.uint8)
    for name, frames in dict(a=4, b=6, c=3).items():
        (folder / 'data' / name).mkdir(parents=True)
        boxes = [(40 + 2 * i, 30 + i, 24, 20) for i in range(frames)]
        for i, (x, y, w, h) in enumerate(boxes):
            image = cv2.rectangle(ground.copy(), (x, y), (x + w - 1, y + h - 1), (40, 200, 250), -1)
            cv2.imwrite(str(folder / 'data' / name / f'{i + 1:08d}.png'), image)
        (folder / 'data' / name / 'groundtruth.txt').write_text('\n'.join(','.join(map(str, box)) for box in boxes))
    return folder / 'data'


TEST = ['quickstart/tiny_tracker.py', 'ct_mm::demo/teacher/tiny_teacher.pth', '--data-root', 'data']


def tracks(work_dir):
    """What every file of an evaluation holds, but for the one that says whose they are."""
    return {str(file.relative_to(work_dir)): file.read_text() for file in work_dir.rglob('results/**/*.*')
            if file.name != 'tracker.json'}


@pytest.fixture(scope='module')
def of_one(folder, sequences):
    """The files that one process writes."""
    test.main([TEST[0], TEST[1], '--data-root', str(sequences), '--work-dir', str(folder / 'one'), '--device', 'cpu',
               '--results-dir', str(folder / 'one' / 'results'), '--cfg-options',
               f'experiment_name={run_name(folder)}'])
    found = tracks(folder / 'one')
    assert set(found) > {f'results/{name}.txt' for name in 'abc'}
    return found


@pytest.mark.slow
def test_two_ranks_write_the_files_of_one_process(folder, of_one):
    job = torchrun(folder, 'ct_mm.test', *TEST, '--work-dir', 'two', '--results-dir', 'two/results')
    assert (job.status, job.errors) == (0, []), job.err
    assert tracks(folder / 'two') == of_one


@pytest.mark.slow
def test_an_evaluation_whose_rank_is_killed_ends_in_one_line_and_is_continued(folder, of_one):
    (folder / 'lost.py').write_text("_base_ = ['ct_mm::quickstart/tiny_tracker.py']\n"
                                    "custom_imports = dict(imports=['job_parts'])\n"
                                    "custom_hooks = [dict(type='ct_mm.SignalOnce')]\n")
    argv = ['lost.py', *TEST[1:], '--work-dir', 'lost', '--results-dir', 'lost/results']
    job = torchrun(folder, 'ct_mm.test', *argv, JOB_SIGNAL='SIGKILL 1 0')
    assert job.status != 0 and len(job.errors) == 1 and 'the same command' in job.errors[0], job.err
    job = torchrun(folder, 'ct_mm.test', *argv)
    assert (job.status, job.errors) == (0, []), job.err
    assert tracks(folder / 'lost') == of_one
