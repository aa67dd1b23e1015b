import copy

import pytest
import torch
from torch import nn

from ct_mm.compression.layers.layer_copy import copy_layer


class Gated(nn.Module):
    """Attention of one width and a gated MLP whose two halves are one layer, with a norm between."""

    def __init__(self, hidden, heads=2, width=8, head_width=4):
        super().__init__()
        self.attn = nn.Module()
        self.attn.num_heads = heads
        self.attn.qkv, self.attn.proj = nn.Linear(width, 3 * heads * head_width), nn.Linear(heads * head_width, width)
        self.up, self.norm, self.down = nn.Linear(width, 2 * hidden), nn.LayerNorm(hidden), nn.Linear(hidden, width)

    def mlp(self, x):
        value, gate = self.up(x).chunk(2, -1)
        return self.down(self.norm(value * gate.sigmoid()))


def random(layer):
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    return layer


def test_equal_shapes_are_copied_and_nothing_is_said():
    teacher, student = random(Gated(6)), Gated(6)
    assert copy_layer(student, [teacher]) == ''
    assert all(torch.equal(a, b) for a, b in zip(student.parameters(), teacher.parameters()))


def test_of_several_the_mean():
    teachers, student = [random(Gated(6)) for _ in range(3)], Gated(6)
    copy_layer(student, teachers)
    torch.testing.assert_close(student.up.bias, sum(t.up.bias for t in teachers) / 3)


def test_the_neurons_of_a_narrower_mlp_are_the_ones_with_the_largest_norms():
    teacher, student = random(Gated(6)), Gated(4)
    with torch.no_grad():
        teacher.down.weight[:, 1] = 0  # writes nothing
        for half in (4, 10):  # takes nothing in
            teacher.up.weight[half], teacher.up.bias[half] = 0, 0
    note = copy_layer(student, [teacher])
    kept = [0, 2, 3, 5]
    assert torch.equal(student.down.weight, teacher.down.weight[:, kept])
    assert torch.equal(student.up.weight, teacher.up.weight[[*kept, *(6 + k for k in kept)]]), 'both halves alike'
    assert torch.equal(student.norm.bias, teacher.norm.bias[kept])
    assert torch.equal(student.attn.qkv.weight, teacher.attn.qkv.weight)
    assert 'down.weight 6 -> 4' in note and 'as built' not in note


def test_neurons_that_write_nothing_are_left_out_without_a_difference():
    torch.manual_seed(0)
    teacher = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, batch_first=True).eval()
    with torch.no_grad():
        teacher.linear2.weight[:, [0, 3, 4, 11]] = 0
    student = nn.TransformerEncoderLayer(8, 2, 8, dropout=0.0, batch_first=True).eval()
    copy_layer(student, [teacher])
    x = torch.randn(2, 5, 8)
    torch.testing.assert_close(student(x), teacher(x))


def test_channels_of_heads_are_not_chosen_one_by_one():
    teacher, student = random(Gated(6)), Gated(6, head_width=2)
    before = copy.deepcopy(student.attn.qkv.weight)
    note = copy_layer(student, [teacher])
    assert torch.equal(student.attn.qkv.weight, before)
    assert '3 of 10 entries as built' in note and 'attn.qkv.weight' in note
    assert torch.equal(student.up.weight, teacher.up.weight)


@pytest.mark.parametrize('width, hidden', [(4, 6), (8, 9)])
def test_another_width_or_a_wider_mlp_stays_as_built(width, hidden):
    teacher, student = random(Gated(6)), random(Gated(hidden, width=width))
    before = copy.deepcopy(student.state_dict())
    assert 'as built' in copy_layer(student, [teacher])
    assert torch.equal(student.up.weight, before['up.weight'])
