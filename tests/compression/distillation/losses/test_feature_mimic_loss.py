import pytest
import torch

from ct_mm.compression import FeatureMimicLoss


def test_groups_weigh_alike_however_many_tokens_they_hold():
    student = [torch.zeros(2, 10, 3)]
    teacher = [torch.cat([torch.full((2, 2, 3), 3.0), torch.full((2, 8, 3), 1.0)], dim=1)]
    loss = FeatureMimicLoss(loss_weight=0.2)
    assert loss(student, teacher, dict(template=2, search=8)).item() == pytest.approx(0.2 * (9 + 1) / 2)
    assert loss(student, teacher).item() == pytest.approx(0.2 * (2 * 9 + 8 * 1) / 10)


def test_stages_are_averaged():
    zeros = torch.zeros(1, 4, 2)
    assert FeatureMimicLoss(1.0)([zeros, zeros], [zeros + 1, zeros + 3]).item() == pytest.approx((1 + 9) / 2)


def test_half_precision_tokens_are_compared_in_float32():
    student, teacher = torch.full((1, 4, 2), 300.0).half(), torch.zeros(1, 4, 2).half()
    loss = FeatureMimicLoss(1.0)([student], [teacher])  # 300 squared is beyond float16
    assert loss.dtype == torch.float32 and loss.item() == 90000


def test_what_does_not_match_is_refused():
    loss, x = FeatureMimicLoss(), torch.zeros(1, 4, 2)
    with pytest.raises(ValueError, match='2 stages of the student, 1 of the teacher'):
        loss([x, x], [x])
    with pytest.raises(ValueError, match='stage 1'):
        loss([x, x], [x, torch.zeros(1, 5, 2)])
    with pytest.raises(ValueError, match='do not add up to 4 tokens'):
        loss([x], [x], dict(template=1, search=2))


def test_normalised_tokens_are_compared_whatever_their_scale_and_mean():
    torch.manual_seed(0)
    x, y = torch.randn(2, 5, 16), torch.randn(2, 5, 16)
    loss = FeatureMimicLoss(1.0, normalize=True)
    assert loss([7 * x + 3], [x]).item() < 1e-6
    assert loss([y], [x]).item() == pytest.approx(loss([y * 100], [x]).item(), rel=1e-3)
    outlier = y.clone()
    outlier[..., 0] += 300  # raw, this one channel would be all of the error
    raw = FeatureMimicLoss(1.0)
    assert raw([outlier], [x]).item() > 1000 * raw([y], [x]).item()
    assert loss([outlier], [x]).item() < 3 * loss([y], [x]).item()
