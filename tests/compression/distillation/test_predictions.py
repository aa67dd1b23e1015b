import pytest
import torch
from torch import nn

from ct_mm.compression import OutputGuidanceLoss, PredictionGuidanceLoss
from ct_mm.compression.distillation.distillation_losses import build_guidance
from ct_mm.compression.distillation.step_outputs import match_calls, read_predictions

DEFAULT = dict(type='ct_mm.PredictionGuidanceLoss')


class Head(nn.Module):

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 2)

    def guidance_losses(self):
        return dict(boxes=dict(l1=nn.L1Loss()))


def model():
    made = nn.Module()
    made.backbone, made.head = nn.Linear(2, 2), Head()
    return made


def test_the_models_own_losses_are_taken_where_it_offers_them():
    loss = build_guidance(model(), DEFAULT, 'head')
    assert isinstance(loss, PredictionGuidanceLoss) and isinstance(loss.losses['boxes']['l1'], nn.L1Loss)


@pytest.mark.parametrize('predictions, reason', [
    ('head.fc', 'Linear does not say by which losses'), ('neck', r'no such module \(its modules: backbone, head\)'),
    ('', 'no such module'), (['head', 'backbone'], 'Head does not say')])
def test_a_model_that_offers_none_gets_an_error_with_the_line_to_write(predictions, reason):
    with pytest.raises(ValueError, match=reason) as error:
        build_guidance(model(), DEFAULT, predictions)
    line = next(line for line in str(error.value).splitlines() if line.startswith('    predictions='))
    settings = eval(f'dict({line})')
    if settings['predictions'] != 'neck':
        assert isinstance(build_guidance(model(), settings['guidance'], settings['predictions']), OutputGuidanceLoss)


def test_predictions_of_one_module_or_of_several():
    a, b = torch.ones(1), torch.zeros(1)
    assert read_predictions('head', [[a]], 'loss') is a
    assert read_predictions(['head', 'backbone'], [[a], [b]], 'loss') == [a, b]
    with pytest.raises(RuntimeError, match="backbone is not called as a module when the model runs in mode 'tensor'"):
        read_predictions(['head', 'backbone'], [[a], []], 'tensor')


def test_every_call_of_a_module_counts():
    a, b, other = dict(x=torch.ones(2, 3)), dict(x=torch.zeros(2, 3)), dict(x=torch.zeros(2, 4))
    joined = read_predictions('head', [[a, b]], 'loss')
    assert torch.equal(joined['x'], torch.cat([a['x'], b['x']]))
    assert read_predictions('head', [[a, other]], 'loss') == [a, other], 'shapes differ: one output for each call'


def test_of_a_head_that_runs_after_every_layer_the_last_call_is_compared():
    student, teacher = match_calls([['s1', 's2'], ['s']], [['t1', 't2', 't3'], ['t']])
    assert student == [['s2'], ['s']] and teacher == [['t3'], ['t']]
