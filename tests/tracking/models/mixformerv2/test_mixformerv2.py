"""What MixFormerV2 says about inputs that it does not take, and its losses at their limits."""
import pytest
import torch
from mmengine.structures import InstanceData

from ct_mm.registry import MODELS
from ct_mm.tracking.models.mixformerv2.ciou_loss import CIoULoss, paired_ciou
from ct_mm.tracking.models.mixformerv2.dense_taught import corner_marginals
from ct_mm.tracking.structures import TrackDataSample

POINT = [0.5, 0.5, 0.5, 0.5]


@pytest.mark.parametrize('box, target', [
    ([.2, .2, .6, .5], [.2, .2, .6, .5]),
    (POINT, POINT),
    (POINT, [.1, .1, .3, .4]),
    ([.2, .4, .6, .4], [.2, .2, .6, .5]),
    ([.6, .2, .2, .5], [.2, .2, .6, .5]),
])
def test_ciou_is_finite_where_the_published_one_is_not(box, target):
    boxes, targets = torch.tensor([box], requires_grad=True), torch.tensor([target])
    value = paired_ciou(boxes, targets)
    value.sum().backward()
    assert value.isfinite().all() and boxes.grad.isfinite().all() and -1 <= value <= 1
    if box == target and box is not POINT:
        assert value == 1 and CIoULoss()(boxes, boxes) == 0


def test_corner_maps_are_summed_over_the_other_axis():
    maps = torch.rand(2, 3, 24, 24)
    top_left, bottom_right = maps[:, 0], maps[:, 1]
    left, right, top, bottom = corner_marginals(top_left.flatten(1), bottom_right).unbind(1)
    for found, expected in ((left, top_left.sum(1)), (top, top_left.sum(2)), (right, bottom_right.sum(1)),
                            (bottom, bottom_right.sum(2))):
        assert torch.equal(found, expected)
    with pytest.raises(ValueError, match=r'top left corner, \(2, 30\), is not square'):
        corner_marginals(torch.rand(2, 30), torch.rand(2, 30))


class Maps(torch.nn.Module):
    """A dense teacher with one weight."""

    def __init__(self, side=16):
        super().__init__()
        self.side, self.weight = side, torch.nn.Parameter(torch.ones(()))

    def forward(self, template, search):
        assert not self.training and template.shape[1:3] == (2, 3) and search.shape[1] == 3
        maps = torch.zeros(2, len(search), self.side**2)
        maps[..., 5] = self.weight
        return maps


def test_the_dense_teacher_is_frozen_and_in_no_checkpoint(model_config, batch, tmp_path):
    config, teacher = dict(model_config(), type='ct_mm.DenseTaughtMixFormerV2'), Maps()
    torch.save(dict(state_dict=dict(weight=torch.tensor(0.5))), tmp_path / 'dense.pth')
    tracker = MODELS.build(dict(config, teacher=teacher, teacher_file=str(tmp_path / 'dense.pth')))
    tracker.init_weights()
    assert teacher.weight == 0.5 and not teacher.weight.requires_grad
    assert tracker.state_dict().keys() == MODELS.build(model_config()).state_dict().keys()
    tracker.train()
    losses = tracker(*batch, mode='loss')
    assert set(losses) == {'loss_ciou', 'loss_l1', 'loss_edges'} and losses['loss_edges'].isfinite()
    assert tracker.double().teacher.weight.dtype == torch.float64
    with pytest.raises(ValueError, match='maps of 8 cells a side, but the head has 16 bins: set model.head.bins=8'):
        MODELS.build(dict(config, teacher=Maps(8)))(*batch, mode='loss')
    torch.save(dict(state_dict=dict(other=torch.ones(()))), tmp_path / 'dense.pth')
    with pytest.raises(ValueError, match='dense.pth.* does not fit the teacher'):
        tracker.init_weights()


def test_the_number_and_the_size_of_images_are_checked(model_config, batch):
    tracker, inputs = MODELS.build(model_config()), batch[0]
    with pytest.raises(ValueError, match=r'num_templates=2, but got 1: template .*ct_mm.SequencePairs'):
        tracker(dict(inputs, template=inputs['template'][:, 0]))
    with pytest.raises(ValueError, match=r'search is \(32, 32\) pixels, .* search_size=64'):
        tracker(dict(inputs, search=inputs['search'][..., :32, :32]))
    one = MODELS.build(model_config(num_templates=1))
    assert one(dict(inputs, template=inputs['template'][:, 0]))['boxes'].shape == (2, 4)
    assert one.backbone.token_groups == dict(template=4, search=16, regression=4)


def test_only_the_score_head_is_trained_on_scores(model_config, batch):
    tracker = MODELS.build(dict(model_config(), train_score=True))
    assert {name for name, p in tracker.named_parameters() if p.requires_grad} == {
        'head.score.0.weight', 'head.score.0.bias', 'head.score.2.weight', 'head.score.2.bias'}
    with pytest.raises(ValueError, match='ct_mm.ScorePairs'):
        tracker(*batch, mode='loss')
    samples = [TrackDataSample(), TrackDataSample()]
    for score, sample in enumerate(samples):
        sample.gt_instances = InstanceData(bboxes=torch.rand(1, 4), scores=torch.tensor([float(score)]))
    assert set(tracker(batch[0], samples, mode='loss')) == {'loss_score'}
    config = model_config()
    config['head']['score'] = False
    with pytest.raises(ValueError, match='set model.head.score=True'):
        MODELS.build(dict(config, train_score=True))


def test_the_score_of_a_head_without_one_is_its_certainty(model_config, batch):
    config = model_config()
    config['head']['score'] = False
    tracker = MODELS.build(config).eval()
    outputs = tracker.read_out(tracker(batch[0]))
    assert outputs['box'].shape == (2, 4) and outputs['score'].shape == (2, 1)
    assert torch.equal(outputs['score'][:, 0], outputs['edges'].amax(-1).mean(1))
