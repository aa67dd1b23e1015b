import copy

import pytest
import torch
from torch import nn

from ct_mm.compression import StageDividedBackbone, StagePlan
from ct_mm.registry import MODELS


def encoder(layers=6):
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
    model = nn.TransformerEncoder(layer, layers)
    for p in model.parameters():
        nn.init.normal_(p, std=0.3)  # the constructor copies one layer: make them differ
    return model.eval()


def test_the_backbones_own_forward_runs_untouched_in_both_pure_paths():
    teacher, x = encoder(), torch.randn(2, 5, 16)
    divided = StageDividedBackbone(copy.deepcopy(teacher), num_stages=3).eval()
    divided.divided.borrow(teacher)
    divided.divided.path = (False, False, False)
    assert torch.equal(divided(x), teacher(x))
    plain = encoder(3)
    for layer, index in zip(plain.layers, (1, 3, 5)):
        layer.load_state_dict(teacher.layers[index].state_dict())
    divided.divided.path = None
    assert torch.equal(divided(x), plain(x))


def test_a_mixed_path_runs_what_it_says():
    teacher, x = encoder(), torch.randn(2, 5, 16)
    divided = StageDividedBackbone(copy.deepcopy(teacher), num_stages=3).eval()
    divided.divided.borrow(teacher)
    divided.divided.path = (True, False, True)
    expected = x
    for index in (1, 2, 3, 5):
        expected = teacher.layers[index](expected)
    assert torch.equal(divided(x), expected)


def test_out_indices_of_the_backbone_keep_their_meaning():

    class Backbone(nn.Module):

        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(nn.Sequential(nn.Linear(4, 4)) for _ in range(4))

        def forward(self, x):
            outs = []
            for index, layer in enumerate(self.layers):
                x = layer(x)
                if index in (1, 3):
                    outs.append(x)
            return tuple(outs)

    backbone = Backbone()
    layers = list(backbone.layers)
    x = torch.randn(3, 4)
    first, second = StageDividedBackbone(backbone, num_stages=2)(x)
    assert torch.equal(first, layers[1](x)) and torch.equal(second, layers[3](layers[1](x)))


@pytest.mark.parametrize('copy_rule', ['last', 'first', 'mean'])
def test_layers_start_from_what_the_plan_says(copy_rule):
    backbone = encoder(4)
    weights = [layer.linear1.weight.detach().clone() for layer in backbone.layers]
    expected = dict(last=[weights[1], weights[3]], first=[weights[0], weights[2]],
                    mean=[(weights[0] + weights[1]) / 2, (weights[2] + weights[3]) / 2])[copy_rule]
    divided = StageDividedBackbone(backbone, num_stages=2, copy=copy_rule)
    for layer, weight in zip(divided.divided.student_layers, expected):
        torch.testing.assert_close(layer.linear1.weight, weight, rtol=0, atol=1e-7)


def test_the_teachers_blocks_are_borrowed_not_owned():
    teacher = encoder()
    divided = StageDividedBackbone(copy.deepcopy(teacher), num_stages=3)
    divided.divided.borrow(teacher)
    own = {id(p) for p in divided.parameters()}
    assert not own & {id(p) for p in teacher.parameters()}
    assert sum(p.numel() for p in divided.parameters()) == sum(p.numel() for p in teacher.parameters()) // 2
    divided.train()
    assert not any(module.training for module in teacher.modules())
    twin = copy.deepcopy(divided)
    twin.divided.path = divided.divided.path = (False, True, False)
    assert twin.divided.slots[0]._teacher_block.module is teacher.layers[0], 'a copy shares the teacher'
    assert twin.divided.slots[2].linear1 is not divided.divided.slots[2].linear1, 'but owns its student layers'
    assert twin.divided.slots[2].linear1 is twin.divided.slots[3].layer.linear1


class TupleBlock(nn.Module):

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x, index, mask=None):
        return self.fc(x), index, None


class TupleBackbone(nn.Module):

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(TupleBlock() for _ in range(4))

    def forward(self, x):
        index = torch.arange(3)
        for block in self.blocks:
            x, index, _ = block(x, index, mask=None)
        return x, index


@pytest.mark.parametrize('contract', [None, (0, 1, None), (0, 'index', None)])
def test_what_a_skipped_block_hands_on_is_found_out_or_said(contract):
    if contract == (0, 'index', None):
        with pytest.raises(TypeError, match='names an argument that the block was not given'):
            StageDividedBackbone(TupleBackbone(), num_stages=2, pass_through=contract)(torch.randn(2, 4))
        return
    x = torch.randn(2, 4)
    backbone = TupleBackbone()
    blocks = list(backbone.blocks)
    divided = StageDividedBackbone(backbone, num_stages=2, pass_through=contract)
    out, index = divided(x)
    assert torch.equal(out, blocks[3].fc(blocks[1].fc(x))) and index.tolist() == [0, 1, 2]
    assert divided.divided.slots[0].rule.returns == (0, 1, None)


def test_it_is_built_from_a_config_and_reads_like_the_backbone(tracker_cfg):
    cfg = dict(type='ct_mm.StageDividedBackbone', backbone=tracker_cfg()['backbone'], stage_sizes=[1, 2, 3])
    divided = MODELS.build(cfg)
    assert divided.template_size == 32 and divided.divided.plan.stages == ((0, ), (1, 2), (3, 4, 5))
    with pytest.raises(AttributeError):
        divided.no_such_thing


def test_an_attribute_of_the_backbone_is_the_backbones_own_whatever_its_name():
    backbone = encoder()
    backbone.num_stages, backbone.plan, backbone.path, backbone.stacks = 4, 'a', 'b', 'c'
    backbone.borrow = lambda: 'd'
    divided = StageDividedBackbone(backbone, num_stages=3)
    assert (divided.num_stages, divided.plan, divided.path, divided.stacks, divided.borrow()) == (4, 'a', 'b', 'c', 'd')


@pytest.mark.parametrize('kwargs, message', [
    (dict(), 'exactly one'), (dict(num_stages=2, stage_sizes=[3, 3]), 'exactly one'),
    (dict(num_stages=7), 'num_stages=7'), (dict(stage_sizes=[1, 2]), 'add up to 3 layers, but the teacher has 6'),
    (dict(plan=StagePlan.even(12, 4)), 'covers 12 layers'), (dict(num_stages=2, layers='blocks'), 'candidates')])
def test_what_does_not_fit_is_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        StageDividedBackbone(encoder(), **kwargs)


def test_a_path_of_the_wrong_length_or_without_a_teacher_is_refused():
    divided = StageDividedBackbone(encoder(), num_stages=3)
    with pytest.raises(ValueError, match='2 entries for 3 stages'):
        divided.divided.path = (True, False)
    divided.divided.path = (True, True, False)
    with pytest.raises(RuntimeError, match='no teacher lent'):
        divided(torch.randn(1, 5, 16))
