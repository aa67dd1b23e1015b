"""What a process of a job reads of its launcher, and says when another one is lost."""
import pytest
import torch
from mmengine.config import Config

from ct_mm.compression import compress
from ct_mm.engine import processes
from ct_mm.engine.processes import join_job, lost_process, variables_of

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
    (RuntimeError('[/x/gloo/tcp/unbound_buffer.cc:78] Timed out waiting 20000ms for recv operation'), 'did not answer in time'),
    (torch.distributed.DistNetworkError('failed to recv, got 0 bytes'), 'ended early or was killed'),
])
def test_an_error_of_communication_is_told_as_what_it_is(monkeypatch, error, words):
    assert lost_process(error) == ''  # a single process
    monkeypatch.setattr(processes, 'is_distributed', lambda: True)
    assert words in lost_process(error) and '--resume' in lost_process(error)
    assert lost_process(RuntimeError('shapes differ')) == ''
