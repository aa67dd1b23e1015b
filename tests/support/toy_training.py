"""A training of a few milliseconds a step, whose every random number depends on its place alone."""
import copy
import os

import numpy as np
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel, MMDistributedDataParallel
from mmengine.registry import FUNCTIONS
from run_name import run_name
from torch import nn
from torch.utils.data import Dataset

from ct_mm import cli
from ct_mm.engine.checkpoints.reading import read_checkpoint
from ct_mm.engine.finite import check_losses
from ct_mm.registry import DATASETS, METRICS, MODELS


class Numbers(Dataset):
    """Draws made of their own number; ``act`` may be told to do something at one of them."""

    metainfo = dict(classes=('a', ))
    act = staticmethod(lambda draw: None)

    def __init__(self, length=8):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, draw):
        self.act(int(draw))
        return np.random.default_rng(int(draw)).normal(size=4).astype(np.float32), f'draw_{int(draw)}.jpg'


class Sample:

    def __init__(self, file):
        self.source = [file]


class Layers(BaseModel):
    """Batch norm and dropout, so that a step leaves more than its gradient behind."""

    act = staticmethod(lambda loss, samples: loss)

    def __init__(self, width=6, init_cfg=None):
        super().__init__(init_cfg=init_cfg)
        self.first, self.norm, self.last = nn.Linear(4, width), nn.BatchNorm1d(width), nn.Linear(width, 1)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        out = self.last(nn.functional.dropout(self.norm(self.first(torch.stack(inputs))), 0.3, self.training))
        if mode != 'loss':
            return list(out)
        losses = dict(loss_square=self.act((out - 1).square().mean(), data_samples))
        check_losses(losses, data_samples)
        return losses


class Mean(BaseMetric):

    act = staticmethod(lambda value: value)

    def process(self, data_batch, data_samples):
        self.results += [self.act(sample.item()) for sample in data_samples]

    def compute_metrics(self, results):
        return dict(mean=float(np.mean(results)))


def collate(samples):
    inputs, files = zip(*samples)
    return dict(inputs=[torch.from_numpy(x) for x in inputs], data_samples=[Sample(file) for file in files])


for registry, module in ((DATASETS, Numbers), (MODELS, Layers), (METRICS, Mean)):
    registry.register_module(module=module, force=True)
FUNCTIONS.register_module('numbers_collate', module=collate, force=True)


CONFIG = dict(
    default_scope='mmengine',
    model=dict(type='ct_mm.Layers'),
    train_dataloader=dict(
        batch_size=2,
        num_workers=0,
        collate_fn=dict(type='numbers_collate'),
        sampler=dict(type='DefaultSampler', shuffle=True),
        dataset=dict(type='ct_mm.Numbers')),
    optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-2), clip_grad=dict(max_norm=1.0)),
    param_scheduler=[dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=6),
                     dict(type='MultiStepLR', milestones=[2], by_epoch=True)],
    train_cfg=dict(type='ct_mm.GuardedEpochLoop', max_epochs=4),
    default_hooks=dict(
        logger=dict(type='LoggerHook', interval=1),
        checkpoint=dict(type='ct_mm.SafeCheckpointHook', interval=1, max_keep_ckpts=2)),
    custom_hooks=[dict(type='ct_mm.StepSeedHook', seed=3)],
    randomness=dict(seed=3),
    resume=False)


def toy_config(folder, **more):
    """The config of the toy training: 4 epochs of 4 steps, saved after each epoch."""
    return Config({
        **copy.deepcopy(CONFIG), 'work_dir': str(folder),
        'experiment_name': run_name(folder),
        **more
    })


def toy_train(folder, prepare=None, **more):
    """Trains in a folder; returns the runner."""
    runner = cli.build_runner(toy_config(folder, **more))
    if prepare is not None:
        prepare(runner)
    runner.train()
    return runner


def join_ranks(rank, folder):
    """Makes this process one of the two of a distributed training that meet in a folder."""
    os.environ.update(RANK=str(rank), WORLD_SIZE='2', LOCAL_RANK=str(rank), LOCAL_WORLD_SIZE='2')
    torch.distributed.init_process_group('gloo', f'file://{folder}/meeting', rank=rank, world_size=2)


def wrapped(runner):
    """Has a runner's model train with the other ranks."""
    runner.model = MMDistributedDataParallel(runner.model)


def same(one, other):
    """Whether two trainings, or their checkpoints, ended with the same bits everywhere."""
    parts = ('state_dict', 'optimizer', 'param_schedulers')
    return _equal(*({key: read_checkpoint(file).get(key) for key in parts} for file in (one, other)))


def _equal(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(_equal, a, b))
    return a == b
