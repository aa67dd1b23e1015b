import pytest
import torch
import torch.nn.functional as F

from ct_mm.compression import OutputGuidanceLoss

S, T = torch.tensor([[1.0, 2.0, 0.5], [0.0, 0.0, 1.0]]), torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 3.0]])


def test_kl_by_hand():
    for temperature in (1.0, 4.0):
        p, q = (torch.softmax(logits / temperature, -1) for logits in (T, S))
        expected = temperature**2 * (p * (p / q).log()).sum(-1).mean()
        losses = OutputGuidanceLoss('kl', temperature, loss_weight=3.0)(S, T)
        assert losses['guidance_kl'].item() == pytest.approx(expected.item(), rel=1e-5)
        assert losses['loss_guidance'].item() == pytest.approx(3 * expected.item(), rel=1e-5)
        assert [name for name in losses if 'loss' in name] == ['loss_guidance']


def test_classes_may_be_any_dimension():
    maps = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    last = OutputGuidanceLoss('kl')(*(m.permute(0, 2, 3, 1) for m in maps))
    assert OutputGuidanceLoss('kl', dim=1)(*maps)['loss_guidance'].item() == pytest.approx(last['loss_guidance'].item())


def test_one_for_each_output():
    student, teacher = dict(logits=S, boxes=S, other=S), dict(logits=T, boxes=T, other=T)
    losses = OutputGuidanceLoss(dict(logits='kl', boxes='l1'))(student, teacher)
    assert set(losses) == {'guidance_logits', 'guidance_boxes', 'loss_guidance'}
    assert losses['guidance_boxes'] == F.l1_loss(S, T)
    listed = OutputGuidanceLoss(['kl', None, 'l1'])([S, None, S], [T, None, T])
    assert listed['loss_guidance'] == losses['loss_guidance']
    nested = OutputGuidanceLoss('mse')((S, [S, dict(a=S)]), (T, [T, dict(a=T)]))
    assert nested['loss_guidance'].item() == pytest.approx(3 * F.mse_loss(S, T).item())
    assert set(nested) == {'guidance_mse_0', 'guidance_mse_1_0', 'guidance_mse_1_1_a', 'loss_guidance'}


def test_half_precision_is_compared_in_float32():
    losses = OutputGuidanceLoss('mse')((300 * torch.ones(2, 2)).half(), torch.zeros(2, 2).half())
    assert losses['loss_guidance'].item() == 90000


@pytest.mark.parametrize('loss, student, teacher, message', [
    ('l1', S, T[:1], r'\(2, 3\) of the student and a tensor \(1, 3\) of the teacher'),
    (dict(boxes='l1'), dict(logits=S), dict(logits=T), 'does not fit the predictions, which are a dict of logits'),
    (['l1', 'l1'], [S], [T], 'a list of 1'), (dict(a='l1'), S, T, 'does not fit'),
    ('l1', [S, S], [T], '2 tensors of the student and 1 of the teacher'), ('l1', None, None, '0 tensors'),
    (['l1'], ['text'], ['text'], 'only tensors of one shape')])
def test_what_does_not_match_is_refused(loss, student, teacher, message):
    with pytest.raises(ValueError, match=message):
        OutputGuidanceLoss(loss)(student, teacher)


@pytest.mark.parametrize('kwargs', [
    dict(loss='huber'), dict(loss=[]), dict(loss=[None]), dict(loss='kl', temperature=0)])
def test_wrong_arguments_are_named(kwargs):
    with pytest.raises(ValueError, match='guidance.'):
        OutputGuidanceLoss(**kwargs)
