"""Whole trainings of a small MixFormerV2: they resume, and their checkpoints are those of the plain tracker."""
import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from run_name import run_name

from ct_mm.cli import build_runner
from ct_mm.engine.checkpoints.reading import read_state_dict
from ct_mm.registry import HOOKS, MODELS


@HOOKS.register_module(force=True)
class KilledAfter(Hook):
    """Stops a training after the checkpoint of an epoch."""

    def __init__(self, epochs):
        self.epochs = epochs

    def before_train_epoch(self, runner):
        if runner.epoch == self.epochs:
            raise KeyboardInterrupt


@pytest.fixture
def train(tmp_path, data_root, model_config):
    """Trains on two short sequences; returns the runner."""

    def start(name, source='ct_mm.SequencePairs', killed_after=None, resume=False, **more):
        pairs = dict(type=source, dataset=dict(type='ct_mm.SequenceFolder', data_root=str(data_root)))
        if source == 'ct_mm.SequencePairs':
            pairs['num_templates'] = 2
        pipeline = [dict(type='ct_mm.PairFlip', prob=0.5, joint=False),
                    dict(type='ct_mm.CropPair', template_size=32, search_size=64, center_jitter=1.0, scale_jitter=0.1),
                    dict(type='ct_mm.PackTrackInputs')]
        config = dict(
            default_scope='mmengine', model=model_config(), train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=2),
            train_dataloader=dict(
                batch_size=4, num_workers=0, sampler=dict(type='ct_mm.DrawSampler'),
                dataset=dict(type='ct_mm.PairDataset', pairs_per_epoch=8, sources=[pairs], pipeline=pipeline)),
            optim_wrapper=dict(
                type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3),
                paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))), clip_grad=dict(max_norm=0.1)),
            randomness=dict(seed=3), work_dir=str(tmp_path / name), resume=resume, experiment_name=run_name(tmp_path),
            custom_hooks=[dict(type='ct_mm.StepSeedHook', seed=3), dict(type='ct_mm.KilledAfter', epochs=killed_after)])
        config = Config(config)
        config.merge_from_dict(copy.deepcopy(more))
        runner = build_runner(config)
        try:
            runner.train()
        except KeyboardInterrupt:
            assert killed_after is not None
        return runner

    return start


def weights(runner):
    model = runner.model
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize('kind', ['boxes', 'score', 'dense'])
def test_resumed_equals_uninterrupted_bit_for_bit(train, model_config, tmp_path, kind):
    settings = {}
    if kind == 'score':
        settings = dict(source='ct_mm.ScorePairs', model=dict(train_score=True))
    if kind == 'dense':
        teacher = dict(model_config(depth=3), type='ct_mm.EdgeCornerMaps')
        torch.manual_seed(0)
        torch.save(dict(state_dict=MODELS.build(teacher).state_dict()), tmp_path / 'dense.pth')
        settings = dict(model=dict(type='ct_mm.DenseTaughtMixFormerV2', teacher=teacher,
                                   teacher_file=str(tmp_path / 'dense.pth')))
    whole = weights(train('whole', **settings))
    train('halves', killed_after=1, **settings)
    resumed = weights(train('halves', resume=True, **settings))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    plain = MODELS.build(model_config())
    plain.load_state_dict(read_state_dict(tmp_path / 'whole' / 'epoch_2.pth'), strict=True)


def test_the_score_stage_moves_the_score_head_alone(train, tmp_path):
    first = train('boxes')
    before = weights(first)
    after = weights(train('score', source='ct_mm.ScorePairs', model=dict(train_score=True),
                          load_from=str(tmp_path / 'boxes' / 'epoch_2.pth')))
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed == {name for name in after if name.startswith('head.score.')}


def test_a_compression_of_the_tracker_runs_and_exports_a_plain_one(train, model_config, tmp_path):
    torch.manual_seed(0)
    torch.save(dict(state_dict=MODELS.build(model_config()).state_dict()), tmp_path / 'teacher.pth')
    compress = dict(teacher=str(tmp_path / 'teacher.pth'), num_stages=3, student=dict(mlp_ratio=1.0),
                    guidance=dict(type='ct_mm.PredictionGuidanceLoss', terms=('boxes', 'edges', 'score')))
    train('compress', runner_type='ct_mm.CompressRunner', compress=compress)
    student = Config.fromfile(tmp_path / 'compress' / 'student' / 'student.py')
    assert student.model.type == 'ct_mm.MixFormerV2' and student.model.backbone.depth == 3
    MODELS.build(student.model).load_state_dict(read_state_dict(tmp_path / 'compress/student/student.pth'), strict=True)
