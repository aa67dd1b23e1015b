"""Joins the processes of one job, also on CPUs, and explains their failures."""
from __future__ import annotations

import os
import re
import signal
from datetime import timedelta

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import is_distributed

#: What starts the processes for each launcher, and its variables with rank, number of processes and rank on the node.
LAUNCHERS = dict(
    pytorch=('torchrun', 'RANK', 'WORLD_SIZE', 'LOCAL_RANK'),
    slurm=('srun', 'SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'),
    mpi=('mpirun', 'OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE', 'OMPI_COMM_WORLD_LOCAL_RANK'))
#: Seconds after which a process stops waiting for the others; ``env_cfg.dist_cfg.timeout`` overrides it.
TIMEOUT = 1800
_KEPT = 'What was saved is kept: continue a training with --resume, a test with the same command'


def join_job(cfg: Config) -> None:
    """Prepares this process for the launcher that the config names; call it before the Runner is built.

    On CPUs it joins the other processes over gloo, because MMEngine's Runner requires GPUs for that: it skips this step
    when the processes are connected already. On other devices it only translates the launcher's variables to those of
    PyTorch, and leaves the rest to MMEngine.

    Args:
        cfg: The config. On CPUs its ``model_wrapper_cfg`` is adapted in place.

    Raises:
        ValueError: If a variable that the launcher should have set is missing.
    """
    launcher = cfg.get('launcher', 'none')
    if launcher == 'none':
        return
    os.environ.update(variables_of(launcher, os.environ))
    if get_device() != 'cpu':
        return
    if not is_distributed():
        dist_cfg = (cfg.get('env_cfg') or {}).get('dist_cfg') or {}
        _join_over_gloo(timedelta(seconds=dist_cfg.get('timeout', TIMEOUT)))
    wrapper = cfg.get('model_wrapper_cfg') or dict(type='MMDistributedDataParallel', broadcast_buffers=False)
    if 'find_unused_parameters' in cfg:  # the Runner reads it only where there is no wrapper
        wrapper.setdefault('find_unused_parameters', cfg.find_unused_parameters)
    cfg.model_wrapper_cfg = dict(wrapper, device_ids=None)  # the Runner's default is a GPU


def _join_over_gloo(timeout: timedelta) -> None:
    store, rank, world_size = next(torch.distributed.rendezvous('env://', timeout=timeout))
    # torchrun's static rendezvous keeps its store when it restarts the processes, with the old ones' addresses in it
    store = torch.distributed.PrefixStore(f'attempt_{os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)}', store)
    torch.distributed.init_process_group('gloo', timeout=timeout, store=store, rank=rank, world_size=world_size)


def variables_of(launcher: str, environ: dict[str, str]) -> dict[str, str]:
    """Translates a launcher's environment variables to those of ``torch.distributed``.

    Slurm's ``scontrol`` is not needed: the address of the first process is the first node of Slurm's list, unless
    ``MASTER_ADDR`` is set.

    Args:
        launcher: ``pytorch``, ``slurm`` or ``mpi``.
        environ: The environment of this process.

    Returns:
        ``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK``, ``MASTER_ADDR`` and ``MASTER_PORT``.

    Raises:
        ValueError: If a variable is missing.

    Examples:
        >>> variables_of('slurm', dict(
        ...     SLURM_PROCID='5', SLURM_NTASKS='8', SLURM_LOCALID='1', SLURM_NODELIST='node[07-08,12]'))['MASTER_ADDR']
        'node07'
    """
    starter, *names = LAUNCHERS[launcher]

    def read(name: str, *others: str) -> str:
        found = [environ[key] for key in (name, *others) if environ.get(key)]
        if not found:
            raise ValueError(f'--launcher {launcher}: the variable {name} is not set. Start the processes with '
                             f'{starter}; without it, omit --launcher')
        return found[0]

    found = dict(zip(('RANK', 'WORLD_SIZE', 'LOCAL_RANK'), map(read, names)))
    if launcher == 'slurm':
        nodes = read('SLURM_STEP_NODELIST', 'SLURM_NODELIST', 'SLURM_JOB_NODELIST')
        found['MASTER_ADDR'] = environ.get('MASTER_ADDR') or _first_node(nodes)
    else:
        found['MASTER_ADDR'] = read('MASTER_ADDR')
    return dict(found, MASTER_PORT=environ.get('MASTER_PORT') or '29500')


def _first_node(nodes: str) -> str:
    """Expands the first name in a list such as ``rack1n[03-07,11],rack2n1``."""
    first = re.match(r'(?:[^,\[]|\[[^\]]*\])+', nodes)[0]
    return re.sub(r'\[([^\],-]+)[^\]]*\]', r'\1', first)


def end_in_words() -> None:
    """Has SIGTERM, by which launchers end the other processes of a job, raise an error that says so.

    A training that is running handles the signal itself.
    """
    owner = os.getpid()

    def end(number: int, _: object) -> None:
        if os.getpid() != owner:  # a forked data worker
            os._exit(128 + number)
        raise RuntimeError('stopped by SIGTERM: the job was told to end, or another of its processes has ended. '
                           f'{_KEPT}')

    signal.signal(signal.SIGTERM, end)


def explain_failure(error: BaseException) -> tuple[str, bool]:
    """Explains the error that ends this process, for the one line that is printed of it.

    Within a job, SIGTERM is ignored from now on: the launcher sends it to the other processes when one has failed, and
    it must not cut the line.

    Args:
        error: The error.

    Returns:
        Its text, or a sentence that another process of the job has ended or does not answer; and whether no other
        process has failed before, because only the first one needs to tell.
    """
    text = str(error)
    if not is_distributed():
        return text, True
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if isinstance(error, torch.distributed.DistError) or '/gloo/' in text:
        late = re.search('timed ?out|timeout', text, re.I)
        text = (f'another process of this job {"did not answer in time" if late else "ended early or was killed"}; the '
                f'launcher says which one (if nothing else does, see dmesg for memory). {_KEPT}')
    store = torch.distributed.distributed_c10d._get_default_store()
    try:
        store.set_timeout(timedelta(seconds=10))
        return text, store.add('ct_mm/failures', 1) == 1
    except RuntimeError:  # the store has ended with the process that kept it
        return text, True
