import pytest
import torch
from torch import nn

from ct_mm.registry import MODELS
from ct_mm.tracking.evaluation.tracker_cost import count_frame_flops, count_layers, count_parameters


def test_operations_are_those_of_the_formulas(make_tracker, sequences):
    tokens, width, layers = 16 + 64, 32, 2
    block = 12 * tokens * width**2 + 2 * tokens**2 * width  # multiply-adds; the second term is attention's
    patches = tokens * width * 3 * 16**2
    widths = [width, 16, 8, 4, 2]
    branch = 64 * sum(9 * a * b for a, b in zip(widths, widths[1:]))
    head = 3 * branch + 64 * widths[-1] * (1 + 2 + 2)
    tracker = make_tracker(layers)
    assert count_frame_flops(tracker, sequences[0][0], sequences[0].boxes[0]) == 2 * (layers * block + patches + head)


def test_counting_leaves_the_way_attention_runs_as_it_was(make_tracker, sequences):
    before = torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.math_sdp_enabled()
    count_frame_flops(make_tracker(), sequences[0][0], sequences[0].boxes[0])
    assert (torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.math_sdp_enabled()) == before


@pytest.mark.parametrize('depth', [1, 5])
def test_layers_of_a_tracker(make_tracker, depth):
    assert count_layers(make_tracker(depth)) == depth


def test_slots_that_pass_their_input_on_are_no_layers(tiny_model):
    model = tiny_model(5)
    model['backbone'] = dict(type='ct_mm.StageDividedBackbone', backbone=model['backbone'], num_stages=2)
    assert count_layers(MODELS.build(model)) == 2


def test_other_kinds_of_stacks():
    layer = [nn.Linear(4, 4) for _ in range(3)]
    assert count_layers(nn.Sequential(*layer)) == 3
    norms = nn.ModuleList([nn.LayerNorm(4) for _ in range(5)])
    assert count_layers(nn.ModuleDict(dict(norms=norms, layers=nn.Sequential(*layer)))) == 3
    assert count_layers(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())) is None
    assert count_layers(nn.Linear(4, 4)) is None


def test_parameters():
    assert count_parameters(nn.Linear(4, 3)) == 15
