import pytest
import torch
from torch import nn

from ct_mm.compression.layers.adapter import adapters, fold, layer_width


def test_the_width_of_a_layer():
    assert layer_width(nn.TransformerEncoderLayer(8, 2, 12)) == 8
    assert layer_width(nn.Sequential(nn.MultiheadAttention(6, 2))) == 6
    assert layer_width(nn.Sequential(nn.Linear(3, 12), nn.GELU(), nn.Linear(12, 3))) == 3
    with pytest.raises(ValueError, match='no norm, attention or linear layer'):
        layer_width(nn.Sequential(nn.Conv2d(3, 3, 1)))


@pytest.mark.parametrize('inner', [4, 8, 12])
def test_they_start_as_a_projection(inner):
    enter, leave = adapters(8, nn.TransformerEncoderLayer(inner, 2, 12))
    x = torch.randn(5, 8)
    once = leave(enter(x))
    torch.testing.assert_close(leave(enter(once)), once)
    if inner >= 8:
        torch.testing.assert_close(once, x)
    else:
        assert 0 < once.norm() < x.norm()


def test_two_in_a_row_are_one():
    first, second = nn.Linear(8, 6).double(), nn.Linear(6, 4).double()
    x = torch.randn(5, 8).double()
    torch.testing.assert_close(fold(first, second)(x), second(first(x)))
