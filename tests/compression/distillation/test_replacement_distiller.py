import copy

import pytest
import torch

from ct_mm.compression.division.tensor_names import plain_name
from ct_mm.compression.export.student_configs import plain_model_config
from ct_mm.registry import MODELS


def snapshot(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def plain_state_dict(model):
    return {plain_name(model, key): value.detach().clone() for key, value in model.state_dict().items()}


def total(losses):
    return sum(value for name, value in losses.items() if 'loss' in name)


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_the_student_starts_as_the_teacher_with_the_copied_layers(make_distiller, teacher_file):
    distiller = make_distiller(num_stages=3)
    weights = torch.load(teacher_file, weights_only=True)['state_dict']
    student = plain_state_dict(distiller.student)
    for name, value in student.items():
        parts = name.split('.')
        if parts[:2] == ['backbone', 'blocks']:
            parts[2] = str((1, 3, 5)[int(parts[2])])
        assert torch.equal(value, weights['.'.join(parts)]), name


def test_all_student_path_is_the_plain_student_bit_for_bit(make_distiller, batch):
    distiller = make_distiller().eval()
    config = plain_model_config(distiller_model_cfg(distiller), distiller.divided)
    plain = MODELS.build(config).eval()
    plain.load_state_dict(plain_state_dict(distiller.student))
    distiller.path = (True, True, True)
    with torch.no_grad():
        assert same(distiller(batch[0], mode='tensor'), plain(batch[0], mode='tensor'))
        along_the_path = {k: v for k, v in distiller(*batch, mode='loss').items() if k.startswith('loss_')}
        for name, value in plain(*batch, mode='loss').items():
            assert torch.equal(along_the_path[name], value)


def distiller_model_cfg(distiller):
    backbone = distiller.student.backbone
    return dict(
        type='ct_mm.OSTrack',
        backbone=dict(
            type='ct_mm.OneStreamViT', embed_dim=backbone.embed_dim, depth=distiller.divided.plan.num_layers,
            num_heads=2, template_size=32, search_size=64),
        head=dict(type='ct_mm.CenterHead', in_channels=backbone.embed_dim, feat_size=4, channels=16))


def test_all_teacher_path_is_the_teacher_bit_for_bit(make_distiller, batch):
    distiller = make_distiller().eval()
    distiller.divided.path = (False, False, False)
    with torch.no_grad():
        assert same(distiller.student(batch[0], mode='tensor'), distiller.teacher(batch[0], mode='tensor'))
    losses = {}
    distiller.path = (False, False, False)
    with torch.no_grad():
        losses = distiller(*batch, mode='loss')
    assert losses['loss_mimic'] == 0 and losses['guidance_l1'] == 0


def test_training_leaves_the_teacher_alone_and_out_of_the_checkpoint(make_distiller, batch):
    distiller = make_distiller(model=None)
    before = snapshot(distiller.teacher)
    optimizer = torch.optim.AdamW(distiller.parameters(), lr=1e-2)
    distiller.train()
    student_before = snapshot(distiller.student)
    for path in [(True, False, True), (False, True, True), (True, True, True)]:
        distiller.path = path
        optimizer.zero_grad()
        total(distiller(*batch, mode='loss')).backward()
        optimizer.step()
    assert same(snapshot(distiller.teacher), before), 'neither parameters nor batch norm statistics'
    assert not same(snapshot(distiller.student), student_before)
    assert not any(module.training for module in distiller.teacher.modules())
    assert all(key.startswith('student.') for key in distiller.state_dict())
    teacher_parameters = {id(p) for p in distiller.teacher.parameters()}
    assert not teacher_parameters & {id(p) for p in distiller.parameters()}
    assert all(p.grad is None for p in distiller.teacher.parameters())


def test_gradients_flow_through_teacher_stages_to_earlier_student_layers(make_distiller, batch):
    distiller = make_distiller(mimic=None).eval()
    distiller.path = (True, False, False)
    total(distiller(*batch, mode='loss')).backward()
    first, second, third = distiller.divided.student_layers
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in first.parameters())
    assert all(p.grad is None for p in [*second.parameters(), *third.parameters()])


def test_drop_path_and_batch_norm_of_the_teacher_stay_off_in_training(make_distiller, tracker_cfg, batch):
    distiller = make_distiller(model=tracker_cfg(drop_path_rate=0.9)).train()
    distiller.divided.path = (False, False, False)
    tokens = [distiller.student.backbone(**batch[0]) for _ in range(2)]
    assert torch.equal(*tokens), 'the teacher stages of the path are deterministic too'


def test_predict_and_tensor_are_the_pure_students_even_between_steps(make_distiller, batch):
    distiller = make_distiller().eval()
    with torch.no_grad():
        before = distiller(batch[0], mode='tensor')
        distiller.path = (False, False, True)
        distiller(*batch, mode='loss')
        assert same(distiller(batch[0], mode='tensor'), before)


def test_the_path_is_reset_when_a_step_fails(make_distiller, batch):
    distiller = make_distiller()
    distiller.path = (False, True, False)
    with pytest.raises(AttributeError):
        distiller(batch[0], [None, None], mode='loss')
    assert distiller.divided.path is None


def test_a_copy_shares_the_teacher_and_a_move_takes_it_along(make_distiller):
    distiller = make_distiller()
    assert copy.deepcopy(distiller).teacher is distiller.teacher
    distiller.double()
    assert next(distiller.teacher.parameters()).dtype == torch.float64


def test_unknown_attributes_are_the_students(make_distiller):
    distiller = make_distiller()
    assert distiller.geometry.search_factor == 4.0 and distiller.geometry is distiller.student.geometry
    with pytest.raises(AttributeError, match='no_such_thing'):
        distiller.no_such_thing


def test_losses_can_be_switched_off_and_the_score_map_on(make_distiller, batch):
    distiller = make_distiller(mimic=None, guidance=None)
    distiller.path = (True, True, True)
    assert set(distiller(*batch, mode='loss')) == {'loss_giou', 'loss_l1', 'loss_score'}
    distiller = make_distiller(guidance=dict(type='ct_mm.PredictionGuidanceLoss', terms=('boxes', 'score_map')))
    distiller.path = (True, True, True)
    losses = distiller(*batch, mode='loss')
    assert losses['guidance_score'] > 0
    assert losses['loss_guidance'].item() == pytest.approx(
        sum(losses[f'guidance_{name}'].item() for name in ('giou', 'l1', 'score')), rel=1e-6)


def test_it_trains_in_bfloat16_with_losses_in_float32(make_distiller, batch):
    distiller = make_distiller()
    distiller.path = (True, False, True)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = distiller(*batch, mode='loss')
    assert {value.dtype for value in losses.values()} == {torch.float32}
    total(losses).backward()
    assert all(p.grad is not None for p in distiller.divided.student_layers[0].parameters())


def test_a_teacher_of_another_width_is_refused_before_training(make_distiller, tracker_cfg):
    with pytest.raises(ValueError, match='does not fit the model') as error:
        make_distiller(model=tracker_cfg(embed_dim=16))
    assert '(32' in str(error.value) and '(16' in str(error.value) and 'teacher.pth' in str(error.value)


def test_a_teacher_with_fewer_layers_names_what_is_missing(make_distiller, tracker_cfg):
    with pytest.raises(ValueError, match=r'missing \(backbone\.blocks\.6\.'):
        make_distiller(model=tracker_cfg(depth=9))


def test_training_without_teacher_or_path_is_refused(make_distiller, tracker_cfg, batch):
    distiller = MODELS.build(
        dict(type='ct_mm.ReplacementDistiller', model=tracker_cfg(), teacher='none.pth', num_stages=2))
    with pytest.raises(RuntimeError, match='init_weights'):
        distiller(*batch, mode='loss')
    with pytest.raises(FileNotFoundError, match='none.pth'):
        distiller.init_weights()
    with pytest.raises(RuntimeError, match='ReplacementRateHook'):
        make_distiller()(*batch, mode='loss')


@pytest.mark.parametrize('kwargs, message', [(dict(num_stages=7), 'num_stages=7 must be between 1 and the 6 layers'),
                                             (dict(num_stages=None, stage_sizes=[3, 2]), 'add up to 5 layers'),
                                             (dict(num_stages=6), 'all layers of the teacher: nothing is compressed'),
                                             (dict(layers_per_stage=2), 'nothing is compressed.*compress.student'),
                                             (dict(predictions='neck'), "predictions='neck'"),
                                             (dict(layers='backbone.layers'), 'candidates')])
def test_what_does_not_fit_the_model_is_refused_when_built(make_distiller, kwargs, message):
    with pytest.raises(ValueError, match=message):
        make_distiller(**kwargs)


def test_a_student_that_is_compared_with_nothing_runs_no_teacher(make_distiller, batch):
    distiller = make_distiller(mimic=None, guidance=None)
    calls = []
    distiller.teacher.register_forward_hook(lambda *_: calls.append(1))
    distiller.path = (True, True, True)
    distiller.train()
    losses = distiller.loss(*batch)
    assert not calls and set(losses) == {'loss_giou', 'loss_l1', 'loss_score'}


def test_as_many_layers_of_another_shape_are_a_compression(make_distiller):
    assert make_distiller(num_stages=6, student=dict(mlp_ratio=1.0)).divided.num_stages == 6


def test_unknown_keys_of_the_student_name_the_nearest(make_distiller):
    with pytest.raises(ValueError, match=r'compress\.student\.mlp_ratoi is unknown; did you mean mlp_ratio\?'):
        make_distiller(student=dict(mlp_ratoi=1.0))
