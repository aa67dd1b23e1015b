"""What holds for every compression, for LoRAT: real runs on sequences, with masks and context crops."""
import copy
import subprocess
import sys

import pytest
import torch
from mmengine.config import Config
from run_name import run_name

from ct_mm.cli import build_runner
from ct_mm.registry import MODELS

MODEL = dict(
    type='ct_mm.LoRAT',
    backbone=dict(
        type='ct_mm.OneStreamDINOv2', embed_dim=32, depth=6, num_heads=2, template_size=28, search_size=56),
    head=dict(type='ct_mm.LoRATHead', in_channels=32, feat_size=4))


@pytest.fixture(scope='module')
def state():
    """Weights of a teacher that answers to its inputs."""
    torch.manual_seed(0)
    model = MODELS.build(copy.deepcopy(MODEL))
    for value in model.parameters():
        value.data += 0.1 * torch.randn_like(value)
    return model.state_dict()


@pytest.fixture
def run(tmp_path, state, data_root):
    """Compresses the teacher in a folder of its own; returns the runner."""
    torch.save(dict(state_dict=state), tmp_path / 'teacher.pth')
    source = dict(type='ct_mm.NearbyPairs', dataset=dict(type='ct_mm.SequenceFolder', data_root=str(data_root)))
    pipeline = [
        dict(type='ct_mm.PairFlip', joint=False),
        dict(type='ct_mm.ContextCropPair', template_size=28, search_size=56, center_jitter=1.0, scale_jitter=0.1),
        dict(type='ct_mm.TemplateMask', cell=14, rule='touched'), dict(type='ct_mm.PairColorJitter'),
        dict(type='ct_mm.PairThreeAugment'), dict(type='ct_mm.PackTrackInputs')]

    def start(name, stop_after=None, **more):
        runner = build_runner(
            Config(
                dict(
                    copy.deepcopy(dict(model=MODEL)),
                    default_scope='mmengine', runner_type='ct_mm.CompressRunner',
                    compress=dict(teacher=str(tmp_path / 'teacher.pth'), num_stages=3),
                    train_dataloader=dict(
                        batch_size=2, num_workers=0, sampler=dict(type='ct_mm.DrawSampler'),
                        dataset=dict(type='ct_mm.PairDataset', pairs_per_epoch=4, sources=[source],
                                     pipeline=pipeline)),
                    optim_wrapper=dict(optimizer=dict(type='AdamW', lr=1e-3), clip_grad=dict(max_norm=1.0)),
                    param_scheduler=[dict(type='ct_mm.WarmupCosineLR', warmup=1, length=3, by_epoch=True,
                                          convert_to_iter_based=True)],
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
    return dict(template=torch.randn(2, 3, 28, 28, generator=rng), search=torch.randn(2, 3, 56, 56, generator=rng),
                template_mask=torch.randint(0, 2, (2, 1, 2, 2), generator=rng).float())


def outputs(model, inputs):
    with torch.no_grad():
        return model.eval()(inputs, mode='tensor')


def test_the_exported_student_is_the_trained_one(run, tmp_path, state, inputs):
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
assert cfg.model.type == 'ct_mm.LoRAT' and cfg.model.backbone.depth == 3, cfg.model
model = MODELS.build(cfg.model).eval()
model.load_state_dict(torch.load({str(folder / 'student.pth')!r}, weights_only=True)['state_dict'], strict=True)
with torch.no_grad():
    out = model(torch.load({str(tmp_path / 'inputs.pt')!r}, weights_only=True), mode='tensor')
torch.save(out, {str(tmp_path / 'out.pt')!r})
"""
    subprocess.run([sys.executable, '-c', code], check=True, timeout=120)
    exported, student = torch.load(tmp_path / 'out.pt', weights_only=True), outputs(distiller, inputs)
    assert exported.keys() == student.keys() and all(torch.equal(exported[key], student[key]) for key in student)

    plain = MODELS.build(copy.deepcopy(MODEL))
    plain.load_state_dict(state, strict=True)
    before, after = outputs(plain, inputs), outputs(distiller.teacher, inputs)
    assert all(torch.equal(before[key], after[key]) for key in before), 'training left the teacher alone'
    assert not any(key.startswith('teacher') for key in distiller.state_dict())


@pytest.fixture
def distiller(tmp_path, state):
    torch.save(dict(state_dict=state), tmp_path / 'teacher.pth')
    distiller = MODELS.build(dict(type='ct_mm.ReplacementDistiller', model=copy.deepcopy(MODEL),
                                  teacher=str(tmp_path / 'teacher.pth'), num_stages=3))
    distiller.init_weights()
    return distiller


def test_before_training_the_path_of_the_teacher_is_the_teacher_bit_for_bit(distiller, inputs):
    assert distiller.divided.stacks[0].place.path == 'backbone.blocks'
    distiller.divided.path = (False, ) * 3
    along_teacher, teacher = outputs(distiller.student, inputs), outputs(distiller.teacher, inputs)
    assert all(torch.equal(along_teacher[key], teacher[key]) for key in teacher)


def test_gradients_flow_through_stages_of_the_teacher(distiller, inputs):
    from mmengine.structures import InstanceData

    from ct_mm.tracking.structures import TrackDataSample
    samples = [TrackDataSample() for _ in range(2)]
    for sample in samples:
        sample.gt_instances = InstanceData(bboxes=torch.tensor([[10.0, 8, 40, 44]]))
    distiller.path = (True, False, False)
    losses = distiller(inputs, samples, mode='loss')
    assert {'loss_score', 'loss_giou', 'guidance_giou', 'guidance_score', 'loss_guidance', 'loss_mimic'} == set(losses)
    (losses['loss_score'] + losses['loss_giou']).backward()
    layers = distiller.divided.student_layers
    assert all(value.grad is not None and value.grad.any() for value in layers[0].parameters())
    assert all(value.grad is None for layer in layers[1:] for value in layer.parameters())
    assert all(value.grad is None for value in distiller.teacher.parameters())


def test_the_guidance_of_the_teacher_to_itself_is_nothing(distiller, inputs):
    guidance = distiller.losses['guidance']
    teacher = outputs(distiller.teacher, inputs)
    assert guidance.compared == ['cells']
    assert all(abs(float(value)) < 1e-5 for value in guidance(teacher, teacher).values())
    shifted = dict(cells=teacher['cells'] + torch.tensor([1.0, 0.2, 0, 0.2, 0]))
    assert all(float(value) > 0 for value in guidance(shifted, teacher).values())


def test_resumed_equals_uninterrupted_bit_for_bit(run):
    whole = run('whole').model.state_dict()
    run('halves', stop_after=2)
    resumed = run('halves', resume=True).model.state_dict()
    assert whole.keys() == resumed.keys() and all(torch.equal(whole[name], resumed[name]) for name in whole)
