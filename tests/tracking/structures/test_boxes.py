import numpy as np
import pytest
import torch

from ct_mm.tracking.structures import (
    cxcywh_to_xyxy,
    paired_giou,
    paired_iou,
    xywh_to_xyxy,
    xyxy_to_cxcywh,
    xyxy_to_xywh,
)


@pytest.mark.parametrize('kind', [np.array, torch.tensor])
def test_conversions_give_hand_made_numbers_and_return(kind):
    xywh = kind([[10., 20., 4., 6.], [-3., 0., 1., 2.]])
    xyxy = xywh_to_xyxy(xywh)
    assert type(xyxy) is type(xywh) and xyxy.dtype == xywh.dtype
    assert xyxy.tolist() == [[10, 20, 14, 26], [-3, 0, -2, 2]]
    cxcywh = xyxy_to_cxcywh(xyxy)
    assert cxcywh.tolist() == [[12, 23, 4, 6], [-2.5, 1, 1, 2]]
    assert cxcywh_to_xyxy(cxcywh).tolist() == xyxy.tolist()
    assert xyxy_to_xywh(xyxy).tolist() == xywh.tolist()


def test_conversions_take_one_box_lists_and_integers():
    assert xywh_to_xyxy([1, 2, 3, 4]).tolist() == [1, 2, 4, 6]
    assert xyxy_to_cxcywh(np.array([0, 0, 3, 5])).tolist() == [1.5, 2.5, 3, 5]
    assert xywh_to_xyxy(torch.zeros(2, 3, 4)).shape == (2, 3, 4)


def test_wrong_last_dimension_is_named():
    with pytest.raises(ValueError, match=r'\(4, 2\)'):
        xywh_to_xyxy(np.zeros((4, 2)))


def test_overlap_of_hand_made_pairs():
    first = torch.tensor([[0., 0., 2., 2.], [0., 0., 1., 1.], [0., 0., 2., 2.]])
    second = torch.tensor([[1., 0., 3., 2.], [3., 0., 4., 1.], [0., 0., 2., 2.]])
    assert paired_iou(first, second).tolist() == pytest.approx([1 / 3, 0, 1])
    # Second pair: the enclosing box is 4 x 1, the union 2.
    assert paired_giou(first, second).tolist() == pytest.approx([1 / 3, -0.5, 1])


def test_giou_agrees_with_the_official_loss(reference):
    numbers = reference('ostrack_small_4stage')
    predicted = cxcywh_to_xyxy(torch.from_numpy(numbers['mixed_1010/pred_boxes'])[:, 0])
    truth = xywh_to_xyxy(torch.from_numpy(numbers['gt_boxes_xywh_normalized']))
    loss = (1 - paired_giou(predicted, truth)).mean().item()
    assert loss == pytest.approx(float(numbers['mixed_1010/loss/giou']), rel=1e-5)


@pytest.mark.parametrize('overlap', [paired_iou, paired_giou])
@pytest.mark.parametrize('pair', [
    ([.5, .5, .5, .5], [.5, .5, .5, .5]),  # the same point
    ([.1, .1, .1, .1], [.5, .5, .5, .5]),  # two points
    ([.1, .2, .6, .2], [.3, .2, .9, .2]),  # two segments of one line
    ([.5, .5, .5, .5], [.2, .2, .8, .8]),  # a point in a box
])
def test_boxes_without_area_give_finite_values_and_gradients(overlap, pair):
    boxes = torch.tensor([pair[0]], requires_grad=True)
    value = overlap(boxes, torch.tensor([pair[1]]))
    value.sum().backward()
    assert torch.isfinite(value).all() and -1 <= value.item() <= 0
    assert torch.isfinite(boxes.grad).all()


@pytest.mark.parametrize('overlap', [paired_iou, paired_giou])
def test_nan_is_not_hidden(overlap):
    assert overlap(torch.tensor([[float('nan'), 0, 1, 1]]), torch.tensor([[0., 0., 1., 1.]])).isnan().all()


def test_giou_gradient():
    generator = torch.Generator().manual_seed(0)
    boxes = cxcywh_to_xyxy(torch.rand(8, 4, generator=generator, dtype=torch.float64) + .1).requires_grad_()
    others = cxcywh_to_xyxy(torch.rand(8, 4, generator=generator, dtype=torch.float64) + .1)
    assert torch.autograd.gradcheck(paired_giou, (boxes, others))


def test_half_precision_pixel_boxes_do_not_overflow():
    boxes = torch.tensor([[0., 0., 1000., 1000.]], dtype=torch.float16)  # area 1e6 > 65504
    assert paired_giou(boxes, boxes).dtype == torch.float32
    assert paired_giou(boxes, boxes).item() == 1


def test_unpaired_boxes_are_rejected():
    with pytest.raises(ValueError, match=r'\(2, 4\) and \(3, 4\)'):
        paired_iou(torch.zeros(2, 4), torch.zeros(3, 4))
