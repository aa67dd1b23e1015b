"""The invariants of a compression, for models of many kinds."""
import copy

import torch

from ct_mm.compression.export.student import export_student
from ct_mm.registry import MODELS


def run(model, batch):
    with torch.no_grad():
        return model.eval()(batch, mode='tensor')


def snapshot(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def total(losses):
    return sum(value for name, value in losses.items() if 'loss' in name)


def test_all_teacher_path_is_the_teacher_bit_for_bit(case, batch):
    distiller, *_ = case
    distiller.divided.path = (False, ) * distiller.divided.num_stages
    assert torch.equal(run(distiller.student, batch), run(distiller.teacher, batch))


def test_all_student_path_is_the_exported_student(case, batch):
    distiller, config, form = case
    for layer in (layer for stack in distiller.divided.stacks for layer in stack.student_layers):
        for value in layer.parameters():  # as after training: no longer the teacher's
            torch.nn.init.normal_(value, std=0.2)
    student = export_student(distiller, config, dict(inputs=batch))
    assert student.form == form, student.reason
    plain = MODELS.build(student.config)
    plain.load_state_dict(student.weights)
    expected, out = run(distiller, batch), run(plain, batch)
    if form == 'folded':
        torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-4)
        assert len(student.weights) < len(distiller.student.state_dict())
    else:
        assert torch.equal(out[-1], expected[-1]) and (form != 'divided' or torch.equal(out, expected))
    assert set(type(module).__name__ for module in plain.modules()).isdisjoint({'Slot'}) == (form == 'plain')


def test_gradients_reach_the_first_student_layer_through_the_teachers_stages(case, batch):
    distiller, *_ = case
    del distiller.losses['mimic']
    before = 0
    for stack in distiller.divided.stacks:
        distiller.zero_grad()
        distiller.path = [stage == before for stage in range(distiller.divided.num_stages)]
        distiller(batch, mode='loss')['loss'].backward()
        run_here = stack.student_layers[:stack.plan.layers_per_stage[0]]
        for layer in distiller.divided.student_layers:
            gradients = [p.grad for p in layer.parameters()]
            if any(layer is one for one in run_here):
                assert all(g is not None and g.abs().sum() > 0 for g in gradients)
            else:
                assert all(g is None for g in gradients)
        before += stack.plan.num_stages


def test_the_first_step_in_bfloat16_gives_every_student_layer_its_gradient(case, batch):
    distiller, *_ = case
    distiller.path = [True] * distiller.divided.num_stages
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = distiller(batch, mode='loss')
    assert losses['loss_mimic'].dtype == losses['loss_guidance'].dtype == torch.float32
    total(losses).backward()
    assert [name for name, p in distiller.named_parameters() if p.grad is None and '.branches.' not in name] == []


def test_training_lowers_the_mimic_loss_and_leaves_the_teacher_alone(case, batch):
    distiller, *_ = case
    before = snapshot(distiller.teacher)
    optimizer = torch.optim.AdamW(distiller.parameters(), lr=5e-3)
    mimic = []
    for step in range(36):
        distiller.train()
        stages = range(distiller.divided.num_stages)
        distiller.path = [step % 3 == 0 or (i + step) % 2 == 0 for i in stages]
        losses = distiller(batch, mode='loss')
        optimizer.zero_grad()
        (losses['loss_mimic'] + losses['loss_guidance']).backward()
        optimizer.step()
        mimic += [losses['loss_mimic'].item()] if step % 3 == 0 else []
    assert mimic[-1] < 0.9 * mimic[0]
    after = snapshot(distiller.teacher)
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert not any(module.training for module in distiller.teacher.modules())


def test_a_copy_runs_on_its_own_slots(case, batch):
    distiller, *_ = case
    twin = copy.deepcopy(distiller)
    twin.divided.path = (False, ) * twin.divided.num_stages
    with torch.no_grad():
        for value in twin.student.parameters():
            value.zero_()
    assert not torch.equal(run(distiller, batch), run(twin.student, batch))
    assert all(slot.by_student for stack in distiller.divided.stacks for slot in stack.slots)


def test_checkpoints_hold_the_student_and_resume(case, tmp_path, batch):
    distiller, *_ = case
    state = {name: value + 0.01 for name, value in distiller.state_dict().items()}
    assert all(name.startswith('student.') for name in state)
    distiller.init_weights()  # what a resumed run does first
    distiller.load_state_dict(state)
    assert all(torch.equal(value, distiller.state_dict()[name]) for name, value in state.items())
