"""Models that run their backbone several times in a step, such as clip trackers."""
import pytest
import torch
from mmengine.model import BaseModel
from torch import nn

from ct_mm.registry import MODELS

WIDTH = 8


@MODELS.register_module(force=True)
class TwoClips(BaseModel):
    """Runs its blocks on two clips, one after the other."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(nn.TransformerEncoderLayer(WIDTH, 2, 16, 0.0, batch_first=True) for _ in range(4))
        self.head = nn.Linear(WIDTH, 3)

    def run(self, x):
        for block in self.blocks:
            x = block(x)
        return x

    def forward(self, first, second, data_samples=None, mode='tensor'):
        outputs = [self.head(self.run(x).mean(1)) for x in (first, second)]
        return dict(loss=sum(output.square().mean() for output in outputs)) if mode == 'loss' else outputs


@MODELS.register_module(force=True)
class SpyMimic(nn.Module):
    """The mimic, which keeps what it was given."""

    def __init__(self):
        super().__init__()
        self.mimic = MODELS.build(dict(type='ct_mm.FeatureMimicLoss', loss_weight=1.0))

    def forward(self, student, teacher, groups):
        self.shapes, self.groups = [tuple(tokens.shape) for tokens in student], groups
        return self.mimic(student, teacher, groups)


@pytest.fixture
def distiller(tmp_path):
    torch.manual_seed(0)
    teacher = MODELS.build(dict(type='ct_mm.TwoClips'))
    for value in teacher.parameters():
        nn.init.normal_(value, std=0.3)
    torch.save(teacher.state_dict(), tmp_path / 'teacher.pth')
    made = MODELS.build(dict(
        type='ct_mm.ReplacementDistiller', model=dict(type='ct_mm.TwoClips'), teacher=str(tmp_path / 'teacher.pth'),
        num_stages=2, mimic=dict(type='ct_mm.SpyMimic'), guidance=dict(type='ct_mm.OutputGuidanceLoss', loss='mse')))
    made.init_weights()
    made.path = (True, True)
    return made


def stage_errors_by_hand(distiller, clips):
    """For each clip and stage the mean squared error between the student's and the teacher's tokens."""
    errors = []
    with torch.no_grad():
        for student in clips:
            teacher, row = student, []
            for layer, blocks in zip(distiller.divided.student_layers, (distiller.teacher.blocks[:2],
                                                                        distiller.teacher.blocks[2:])):
                student = layer(student)
                for block in blocks:
                    teacher = block(teacher)
                row.append((student - teacher).square().mean())
            errors.append(torch.stack(row))
    return torch.stack(errors)  # (clips, stages)


@pytest.mark.parametrize('lengths, shape, groups', [
    ((5, 5), (4, 5, WIDTH), None), ((5, 3), (2, 8, WIDTH), dict(call_0=5, call_1=3))])
def test_the_mimic_covers_every_call_of_a_step(distiller, lengths, shape, groups):
    clips = [torch.randn(2, length, WIDTH, generator=torch.Generator().manual_seed(length + i))
             for i, length in enumerate(lengths)]
    expected = stage_errors_by_hand(distiller, clips)
    assert (expected[0] - expected[1]).abs().min() > 1e-4, 'a mimic that reads one call only would be seen'
    optimizer = torch.optim.SGD(distiller.parameters(), lr=0.01)
    losses = distiller(*clips, mode='loss')
    mimic = distiller.losses['mimic']
    assert mimic.shapes == [shape] * 2 and mimic.groups == [groups] * 2
    assert losses['loss_mimic'].item() == pytest.approx(expected.mean().item(), rel=1e-5)
    torch.testing.assert_close(mimic.mimic.stage_errors, expected.mean(0), rtol=1e-5, atol=0)

    losses['loss_mimic'].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for layer in distiller.divided.student_layers
               for p in (layer.linear1.weight, layer.norm2.weight))
    before = {name: value.clone() for name, value in distiller.teacher.state_dict().items()}
    optimizer.step()
    after = distiller(*clips, mode='loss')
    assert after['loss_mimic'] < losses['loss_mimic']
    assert all(torch.equal(value, before[name]) for name, value in distiller.teacher.state_dict().items())


def test_the_guidance_covers_every_call_of_the_head(distiller):
    clips = torch.randn(2, 2, 5, WIDTH, generator=torch.Generator().manual_seed(1)).unbind()
    with torch.no_grad():
        student, teacher = (torch.cat(model(*clips)) for model in (distiller.student, distiller.teacher))
        losses = distiller(*clips, mode='loss')
    assert losses['loss_guidance'].item() == pytest.approx((student - teacher).square().mean().item(), rel=1e-5)


def test_calls_that_cannot_be_compared_together_are_refused(distiller):
    with pytest.raises(ValueError, match=r'stage 0 ran 2 times in this step, on tokens \[\(2, 5, 8\), \(1, 5, 8\)\]'):
        distiller(torch.zeros(2, 5, WIDTH), torch.zeros(1, 5, WIDTH), mode='loss')
