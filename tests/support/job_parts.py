"""Parts that the configs of jobs import; see :mod:`jobs`."""
import os
import signal

from mmengine.hooks import Hook
from mmengine.model import BaseModel
from torch import nn
from toy_training import Layers
from unformatted_configs import leave_configs_unformatted

from ct_mm.registry import HOOKS, MODELS

leave_configs_unformatted()


@MODELS.register_module()
class PlainAndNormed(BaseModel):
    """One part without batch statistics and random numbers, one with both; each has a loss of its own."""

    def __init__(self):
        super().__init__()
        self.plain = nn.Sequential(nn.Linear(4, 6), nn.GELU(), nn.Linear(6, 1))
        self.normed = Layers()

    def forward(self, inputs, data_samples=None, mode='tensor'):
        outputs = self.normed(inputs, data_samples, mode)
        if mode == 'loss':
            outputs['loss_plain'] = sum((self.plain(x) - 1).square().sum() for x in inputs) / len(inputs)
        return outputs


@HOOKS.register_module()
class SignalOnce(Hook):
    """Sends the signal in JOB_SIGNAL, 'NAME RANK ITERATION', to this process; or with a '^' to the one above it."""

    priority = 'LOWEST'

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.before_test_epoch(runner, runner.iter)

    def before_test_epoch(self, runner, at=0):
        name, rank, iteration = os.environ.get('JOB_SIGNAL', 'SIGTERM -1 -1').split()
        first = os.environ.get('TORCHELASTIC_RESTART_COUNT', '0') == '0' and not runner._resume
        if first and (runner.rank, at) == (int(rank), int(iteration)):
            os.kill(os.getppid() if '^' in name else os.getpid(), getattr(signal, name.strip('^')))
