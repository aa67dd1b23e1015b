"""What holds for every compression, for SUTrack: real runs on sequences, with two templates, masks and task labels."""
import copy
import subprocess
import sys

import pytest
import torch
from mmengine.config import Config
from run_name import run_name
from sutrack_release import released_state

from ct_mm.cli import build_runner
from ct_mm.registry import MODELS
from ct_mm.tracking.models.sutrack.converter import convert_sutrack_keys
from ct_mm.tracking.models.sutrack.converter.config import sutrack_model_config


@pytest.fixture(scope='module')
def converted():
    return convert_sutrack_keys(released_state(depth=6, template=2, search=4), 32, 64)


@pytest.fixture
def model(converted):
    return sutrack_model_config(converted, 32, 64, num_templates=2, num_heads=2)


@pytest.fixture
def run(tmp_path, converted, model, data_root):
    """Compresses a converted file in a folder of its own; returns the runner."""
    torch.save(dict(state_dict=converted.state), tmp_path / 'teacher.pth')
    source = dict(type='ct_mm.SequencePairs', num_templates=2, causal=False, task=1,
                  dataset=dict(type='ct_mm.SequenceFolder', data_root=str(data_root)))
    pipeline = [
        dict(type='ct_mm.CropPair', template_size=32, search_size=64, center_jitter=1.0, scale_jitter=0.1),
        dict(type='ct_mm.TemplateMask'), dict(type='ct_mm.PackTrackInputs')]

    def start(name, stop_after=None, **more):
        runner = build_runner(
            Config(
                dict(
                    copy.deepcopy(dict(model=model)),
                    default_scope='mmengine', runner_type='ct_mm.CompressRunner',
                    compress=dict(teacher=str(tmp_path / 'teacher.pth'), num_stages=3),
                    train_dataloader=dict(
                        batch_size=2, num_workers=0, sampler=dict(type='ct_mm.DrawSampler'),
                        dataset=dict(type='ct_mm.PairDataset', pairs_per_epoch=4, sources=[source],
                                     pipeline=pipeline)),
                    optim_wrapper=dict(optimizer=dict(type='AdamW', lr=1e-3), clip_grad=dict(max_norm=0.1)),
                    train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=3), randomness=dict(seed=5),
                    work_dir=str(tmp_path / name), experiment_name=run_name(tmp_path), **more)))
        if stop_after is None:
            runner.train()
            return runner
        step = runner.train_loop.run_iter

        def die(*args):
            if runner.epoch == stop_after:
                raise KeyboardInterrupt
            step(*args)

        runner.train_loop.run_iter = die
        with pytest.raises(KeyboardInterrupt):
            runner.train()
        return runner

    return start


@pytest.fixture
def inputs():
    rng = torch.Generator().manual_seed(0)
    return dict(template=torch.randn(2, 2, 3, 32, 32, generator=rng), search=torch.randn(2, 3, 64, 64, generator=rng),
                template_mask=torch.rand(2, 2, 2, 2, generator=rng))


def outputs(model, inputs):
    with torch.no_grad():
        return model.eval()(inputs, mode='tensor')


def test_the_exported_student_is_the_trained_one(run, tmp_path, converted, model, inputs):
    runner = run('run')
    distiller, folder = runner.model, tmp_path / 'run' / 'student'
    torch.save(inputs, tmp_path / 'inputs.pt')
    code = f"""
import sys, torch, ct_mm
from mmengine.config import Config
from ct_mm.registry import MODELS
torch.set_num_threads({torch.get_num_threads()})
sys.modules['ct_mm.compression'] = None
MODELS._locations.remove('ct_mm.compression')
cfg = Config.fromfile({str(folder / 'student.py')!r})
assert cfg.model.type == 'ct_mm.SUTrack' and cfg.model.backbone.depth == 3, cfg.model
model = MODELS.build(cfg.model).eval()
model.load_state_dict(torch.load({str(folder / 'student.pth')!r}, weights_only=True)['state_dict'], strict=True)
with torch.no_grad():
    out = model(torch.load({str(tmp_path / 'inputs.pt')!r}, weights_only=True), mode='tensor')
torch.save(out, {str(tmp_path / 'out.pt')!r})
"""
    subprocess.run([sys.executable, '-c', code], check=True, timeout=120)
    exported, student = torch.load(tmp_path / 'out.pt', weights_only=True), outputs(distiller, inputs)
    assert exported.keys() == student.keys() and all(torch.equal(exported[key], student[key]) for key in student)

    plain = MODELS.build(model)
    plain.load_state_dict(converted.state, strict=True)
    before, after = outputs(plain, inputs), outputs(distiller.teacher, inputs)
    assert all(torch.equal(before[key], after[key]) for key in before), 'training left the teacher alone'
    assert not any(key.startswith('teacher') for key in distiller.state_dict())


def test_before_training_the_path_of_the_teacher_is_the_teacher_bit_for_bit(tmp_path, converted, model, inputs):
    torch.save(dict(state_dict=converted.state), tmp_path / 'teacher.pth')
    distiller = MODELS.build(
        dict(type='ct_mm.ReplacementDistiller', model=model, teacher=str(tmp_path / 'teacher.pth'), num_stages=3))
    distiller.init_weights()
    assert distiller.divided.stacks[0].place.path == 'backbone.blocks'
    distiller.divided.path = (False, ) * 3
    along_teacher, teacher = outputs(distiller.student, inputs), outputs(distiller.teacher, inputs)
    assert all(torch.equal(along_teacher[key], teacher[key]) for key in teacher)


def test_the_mimic_loss_compares_search_and_template_tokens_alone(tmp_path, converted, model, inputs):
    tracker = MODELS.build(model)
    groups = tracker.backbone.token_groups
    assert groups == dict(search=16, template=8)
    tokens = torch.arange(26.).view(1, 26, 1)  # cls, search, templates, text
    picked, kept = tracker.backbone.stage_tokens(tokens)
    assert picked.flatten().tolist() == list(range(1, 25)) and kept is None
    assert tracker.backbone.search_tokens(tokens).flatten().tolist() == list(range(1, 17))


def test_resumed_equals_uninterrupted_bit_for_bit(run):
    whole = run('whole').model.state_dict()
    run('halves', stop_after=2)
    resumed = run('halves', resume=True).model.state_dict()
    assert whole.keys() == resumed.keys() and all(torch.equal(whole[name], resumed[name]) for name in whole)
