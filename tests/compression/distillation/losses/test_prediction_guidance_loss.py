import pytest
import torch

from ct_mm.compression import PredictionGuidanceLoss

BOXES = dict(boxes=dict(l1=dict(type='ct_mm.BoxL1Loss', loss_weight=5.0), giou=dict(type='ct_mm.GIoULoss')))


def test_sum_and_parts():
    student, teacher = (dict(boxes=torch.tensor([[0.5, 0.5, w, 0.4]])) for w in (0.4, 0.2))
    losses = PredictionGuidanceLoss(losses=BOXES, loss_weight=3.0)(student, teacher)
    # corners differ by 0.1 in x twice, by 0 in y; IoU 1/2 inside an enclosing box that is the union
    assert losses['guidance_l1'].item() == pytest.approx(5 * 0.2 / 4)
    assert losses['guidance_giou'].item() == pytest.approx(2 * (1 - 0.5))
    assert losses['loss_guidance'].item() == pytest.approx(3 * (5 * 0.2 / 4 + 1.0))
    assert [name for name in losses if 'loss' in name] == ['loss_guidance'], 'parts are logged, not added twice'


def test_the_score_map_is_an_option_whose_minimum_is_the_teachers_peak():
    losses = dict(score_map=dict(score=dict(type='ct_mm.GaussianFocalLoss', scale_target=True)))
    guidance = PredictionGuidanceLoss(terms=('score_map', ), losses=losses)
    teacher = torch.full((1, 1, 4, 4), 0.01)
    teacher[0, 0, 1, 2] = 0.6
    right, wrong = teacher.clone(), teacher.transpose(2, 3).contiguous()
    assert guidance(dict(score_map=right), dict(score_map=teacher))['loss_guidance'] < 0.2 * guidance(
        dict(score_map=wrong), dict(score_map=teacher))['loss_guidance']


def test_a_term_without_a_loss_is_refused():
    with pytest.raises(ValueError, match=r"no loss for \['score_map'\]; the model offers \['boxes'\]"):
        PredictionGuidanceLoss(terms=('boxes', 'score_map'), losses=BOXES)
