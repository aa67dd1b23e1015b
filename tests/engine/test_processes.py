"""What a process of a job reads of its launcher, and says when another one is lost."""
import os
import signal

import pytest
import torch
from clean_process import run_clean
from mmengine.config import Config

from ct_mm import cli
from ct_mm.compression import compress
from ct_mm.engine import processes
from ct_mm.engine.processes import end_in_words, explain_failure, join_job, variables_of

TASK = dict(SLURM_PROCID='5', SLURM_NTASKS='8', SLURM_LOCALID='1', SLURM_NODELIST='gpu[07-08]')


@pytest.mark.parametrize('nodes, first', [
    ('node1', 'node1'), ('a,b', 'a'), ('node[001-004,007]', 'node001'), ('n[3,5-6],m1', 'n3'),
    ('rack[1-2]n[08-11]-ib,x', 'rack1n08-ib'), ('127.0.0.[1-2]', '127.0.0.1')])
def test_the_first_task_of_slurm_is_found_without_scontrol(nodes, first):
    found = variables_of('slurm', dict(TASK, SLURM_NODELIST=nodes))
    assert found == dict(RANK='5', WORLD_SIZE='8', LOCAL_RANK='1', MASTER_ADDR=first, MASTER_PORT='29500')


def test_what_the_user_sets_and_the_list_of_the_step_come_first():
    found = variables_of('slurm', dict(TASK, SLURM_STEP_NODELIST='gpu08', MASTER_PORT='123'))
    assert (found['MASTER_ADDR'], found['MASTER_PORT']) == ('gpu08', '123')
    assert variables_of('slurm', dict(TASK, MASTER_ADDR='10.0.0.1'))['MASTER_ADDR'] == '10.0.0.1'


@pytest.mark.parametrize('launcher, environ, words', [
    ('pytorch', {}, '--launcher pytorch: the variable RANK is not set. Start the processes with torchrun'),
    ('pytorch', dict(RANK='0', WORLD_SIZE='2', LOCAL_RANK='0'), 'the variable MASTER_ADDR is not set'),
    ('slurm', dict(TASK, SLURM_PROCID=''), 'the variable SLURM_PROCID is not set. Start the processes with srun'),
    ('slurm', {**TASK, 'SLURM_NODELIST': ''}, 'the variable SLURM_STEP_NODELIST is not set'),
    ('mpi', {}, 'the variable OMPI_COMM_WORLD_RANK is not set. Start the processes with mpirun'),
])
def test_a_missing_variable_is_named_with_what_sets_it(launcher, environ, words):
    with pytest.raises(ValueError, match=words):
        variables_of(launcher, environ)


@pytest.mark.parametrize('settings, unused', [
    ({}, None), (dict(find_unused_parameters=False), False), (dict(find_unused_parameters=True), True),
    (dict(find_unused_parameters=True, model_wrapper_cfg=dict(type='Mine', find_unused_parameters=False)), False)])
def test_on_cpus_the_model_is_wrapped_without_a_gpu(monkeypatch, settings, unused):
    monkeypatch.setattr(processes, 'is_distributed', lambda: True)
    monkeypatch.setattr(processes, 'get_device', lambda: 'cpu')
    for name, value in dict(RANK='0', WORLD_SIZE='2', LOCAL_RANK='0', MASTER_ADDR='x', MASTER_PORT='1').items():
        monkeypatch.setenv(name, value)
    cfg = Config(dict(launcher='pytorch', **settings))
    join_job(cfg)
    assert cfg.model_wrapper_cfg.device_ids is None
    assert cfg.model_wrapper_cfg.get('find_unused_parameters') is unused


@pytest.mark.parametrize('launcher, device', [('none', 'cpu'), ('pytorch', 'cuda')])
def test_a_single_process_and_gpus_are_left_to_mmengine(monkeypatch, launcher, device):
    monkeypatch.setattr(processes, 'get_device', lambda: device)
    for name, value in dict(RANK='0', WORLD_SIZE='2', LOCAL_RANK='0', MASTER_ADDR='x', MASTER_PORT='1').items():
        monkeypatch.setenv(name, value)
    cfg = Config(dict(launcher=launcher))
    join_job(cfg)
    assert 'model_wrapper_cfg' not in cfg and not torch.distributed.is_initialized()


def test_a_wrapper_that_the_config_names_learns_that_a_step_leaves_layers_out():
    cfg = Config(dict(model=dict(type='A'), compress=dict(teacher='a.pth'), model_wrapper_cfg=dict(type='B')))
    assert compress(cfg).model_wrapper_cfg.find_unused_parameters is True


@pytest.mark.parametrize('error, words', [
    (RuntimeError('[/x/gloo/tcp/pair.cc:537] Read error [10.0.0.1]:1: Connection reset by peer'), 'ended early'),
    (RuntimeError('[/x/gloo/tcp/unbound_buffer.cc:78] Timed out waiting 20000ms for recv operation'), 'did not answer'),
    (torch.distributed.DistNetworkError('failed to recv, got 0 bytes'), 'ended early or was killed'),
])
def test_an_error_of_communication_is_told_as_what_it_is(monkeypatch, error, words):
    assert explain_failure(error) == (str(error), True)  # a single process
    monkeypatch.setattr(processes, 'is_distributed', lambda: True)
    monkeypatch.setattr(signal, 'signal', lambda *_: None)
    monkeypatch.setattr(torch.distributed.distributed_c10d, '_get_default_store', torch.distributed.HashStore)
    text, is_first = explain_failure(error)
    assert words in text and '--resume' in text and is_first
    assert explain_failure(RuntimeError('shapes differ')) == ('shapes differ', True)


def told_to_end(file):
    def main():
        end_in_words()
        torch.distributed.init_process_group('gloo', f'file://{file}_meeting', rank=0, world_size=1)
        os.kill(os.getpid(), signal.SIGTERM)

    lines = []
    for _ in range(2):
        try:
            cli.run(main if not lines else lambda: [].pop())
        except SystemExit as stopped:
            os.kill(os.getpid(), signal.SIGTERM)  # while the line is printed
            lines.append(str(stopped.code))
    file.write_text('\n'.join(lines))


def test_a_job_that_is_told_to_end_says_so_and_a_later_failure_is_silent(tmp_path):
    assert run_clean(told_to_end, tmp_path / 'lines') == 0
    first, second = (tmp_path / 'lines').read_text().splitlines()
    assert first.startswith('error: stopped by SIGTERM: the job was told to end, or another')
    assert second == '1'
