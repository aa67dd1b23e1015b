"""The invariants of a compression for MixFormerV2, and what only this family has: templates that are computed once."""
import copy

import pytest
import torch

from ct_mm.compression.export.student import export_student
from ct_mm.registry import MODELS

GUIDANCE = dict(type='ct_mm.PredictionGuidanceLoss', terms=('boxes', 'edges', 'score'))


@pytest.fixture
def make(tmp_path, model_config):
    def build(config=None, **settings):
        config = config or model_config()
        torch.manual_seed(1)
        model = MODELS.build(config)
        for value in model.parameters():
            value.data.add_(torch.randn_like(value) * 0.1)
        torch.save(dict(state_dict=model.state_dict()), tmp_path / 'teacher.pth')
        distiller = MODELS.build(dict(
            type='ct_mm.ReplacementDistiller', model=config, teacher=str(tmp_path / 'teacher.pth'),
            **dict(dict(num_stages=3, guidance=GUIDANCE), **settings)))
        distiller.init_weights()
        return distiller

    return build


def run(model, inputs):
    with torch.no_grad():
        return model.eval()(inputs, mode='tensor')


def assert_equal(a, b):
    assert a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def disturb(distiller):
    """Changes the student's layers, as a training does."""
    for layer in distiller.divided.student_layers:
        for value in layer.parameters():
            value.data.add_(torch.randn_like(value) * 0.05)


def test_the_teachers_path_is_the_teacher(make, batch):
    distiller = make()
    disturb(distiller)
    with distiller.divided.along((False, ) * 3):
        assert_equal(run(distiller.student, batch[0]), run(distiller.teacher, batch[0]))


@pytest.mark.parametrize('student', [None, dict(mlp_ratio=1.0)], ids=['same', 'mlp_ratio_1'])
def test_the_student_is_exported_as_a_plain_tracker(make, model_config, batch, student):
    distiller = make(student=student)
    disturb(distiller)
    exported = export_student(distiller, model_config(), dict(inputs=batch[0]))
    assert exported.form == 'plain', exported.reason
    backbone = exported.config.backbone
    assert backbone.depth == 3 and backbone.get('mlp_ratio', 4.0) == (1.0 if student else 4.0)
    plain = MODELS.build(exported.config)
    plain.load_state_dict(exported.weights, strict=True)
    assert_equal(run(plain, batch[0]), run(distiller, batch[0]))


def test_an_mlp_of_ratio_1_starts_from_the_most_important_neurons(make):
    distiller = make(student=dict(mlp_ratio=1.0))
    layer, teacher = distiller.divided.student_layers[0], distiller.teacher_blocks[1]
    assert layer.mlp.fc1.weight.shape == (32, 32) and teacher.mlp.fc1.weight.shape == (128, 32)
    rows = [(teacher.mlp.fc1.weight == row).all(1).any() for row in layer.mlp.fc1.weight]
    assert all(rows) and torch.equal(layer.attn.qkv.weight, teacher.attn.qkv.weight)


def test_training_lowers_mimic_and_guidance_and_keeps_the_teacher(make, batch):
    distiller = make(mimic=dict(type='ct_mm.FeatureMimicLoss', loss_weight=5.0))  # guidance alone pulls the tokens away
    before = copy.deepcopy(distiller.teacher.state_dict())
    optimizer, history = torch.optim.AdamW(distiller.parameters(), lr=2e-3), []
    for step in range(30):
        distiller.train()
        distiller.path = [step % 3 == 0 or (i + step) % 2 == 0 for i in range(3)]
        losses = distiller(*batch, mode='loss')
        assert set(losses) == {'loss_ciou', 'loss_l1', 'loss_mimic', 'loss_guidance', 'guidance_ciou', 'guidance_l1',
                               'guidance_kl', 'guidance_score'}
        optimizer.zero_grad()
        (losses['loss_mimic'] + losses['loss_guidance']).backward()
        optimizer.step()
        history += [losses] if step % 3 == 0 else []
    for name in ('loss_mimic', 'guidance_kl'):
        assert history[-1][name] < 0.9 * history[0][name]
    assert_equal(distiller.teacher.state_dict(), before)
    assert all(key.startswith('student.') for key in distiller.state_dict())


def test_gradients_pass_through_the_teachers_stages(make, batch):
    distiller = make(mimic=None)
    distiller.path = (True, False, False)
    losses = distiller(*batch, mode='loss')
    sum(value for name, value in losses.items() if 'loss' in name).backward()
    assert all(p.grad is not None and p.grad.any() for p in distiller.divided.student_layers[0].parameters())
    assert all(p.grad is None for layer in distiller.divided.student_layers[1:] for p in layer.parameters())


@pytest.mark.parametrize('path', [(True, True, True), (False, True, False)])
def test_cached_templates_are_recomputed_templates_on_any_path(make, batch, path):
    distiller, inputs = make(), batch[0]
    disturb(distiller)
    student = distiller.student.eval()
    with distiller.divided.along(path), torch.no_grad():
        known = student.prepare(dict(template=inputs['template']))
        cached = student(dict(search=inputs['search'], **known), mode='tensor')
        expected = student(inputs, mode='tensor')
    assert known['keys_values'].shape == (2, 6, 2, 2, 8, 16)  # batch, layers, keys and values, heads, tokens, channels
    for name, value in expected.items():
        torch.testing.assert_close(cached[name], value, rtol=0, atol=1e-6)


def test_fading_layers_lead_from_the_teacher_to_the_student(make, batch):
    from ct_mm.compression.hooks.progressive_removal_hook import fade_removed_layers
    distiller, writers = make(layers_per_stage=1), ('attn.proj', 'mlp.fc2')
    student, alone = distiller.student, run(distiller, batch[0])
    fade_removed_layers(distiller.divided, 1.0, writers)
    assert_equal(run(student, batch[0]), run(distiller.teacher, batch[0]))
    fade_removed_layers(distiller.divided, 1e-9, writers)
    torch.testing.assert_close(run(student, batch[0])['edges'], alone['edges'], rtol=0, atol=1e-5)
    fade_removed_layers(distiller.divided, 0.5, writers)
    half = run(student, batch[0])['edges']
    assert not torch.allclose(half, alone['edges'], atol=1e-3)
    assert not any(module._forward_hooks for module in distiller.teacher.modules())
    fade_removed_layers(distiller.divided, 0.0, writers)
    assert_equal(run(student, batch[0]), alone)
