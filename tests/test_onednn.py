import pytest
import torch
from torch import nn

from ct_mm.onednn import linear_by_onednn


@pytest.mark.parametrize('shape', [(7, 12), (2, 5, 12), (12, )])
@pytest.mark.parametrize('bias', [True, False])
@pytest.mark.parametrize('frozen', [True, False])
def test_output_and_gradients_are_those_of_a_linear_layer(shape, bias, frozen):
    torch.manual_seed(0)
    layer = nn.Linear(12, 9, bias=bias).requires_grad_(not frozen)
    results = []
    for context in (linear_by_onednn(), torch.enable_grad()):
        x = torch.linspace(-1, 1, torch.Size(shape).numel()).view(shape).requires_grad_()
        layer.zero_grad()
        with context:
            out = layer(x)
        out.square().sum().backward()
        results.append([out.detach(), x.grad, *(p.grad for p in layer.parameters() if not frozen)])
    for own, expected in zip(*results, strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-5, atol=1e-6)


def test_the_weight_of_a_frozen_layer_costs_no_memory_for_its_gradient():
    saved = []

    def see(tensor):
        saved.append(tensor.shape)
        return tensor

    layer, x = nn.Linear(12, 9).requires_grad_(False), torch.ones(4, 12, requires_grad=True)
    with linear_by_onednn(), torch.autograd.graph.saved_tensors_hooks(see, lambda tensor: tensor):
        layer(x)
    assert saved == [layer.weight.shape]


@pytest.mark.parametrize('dtype', [torch.float64, torch.bfloat16])
def test_other_precisions_are_left_alone_bit_for_bit(dtype):
    layer, x = nn.Linear(12, 9).to(dtype), torch.ones(4, 12, dtype=dtype)
    with linear_by_onednn():
        assert torch.equal(layer(x), nn.functional.linear(x, layer.weight, layer.bias))
        assert layer(x).dtype == dtype


def test_mixed_precision_is_left_alone():
    layer, x = nn.Linear(12, 9), torch.rand(4, 12)
    with torch.autocast('cpu', torch.bfloat16):
        expected = layer(x)
        with linear_by_onednn():
            assert layer(x).dtype == torch.bfloat16 and torch.equal(layer(x), expected)


def test_it_ends_with_its_context():
    layer, x = nn.Linear(12, 9), torch.ones(4, 12, requires_grad=True)
    with linear_by_onednn():
        pass
    assert layer(x).grad_fn.name() == 'AddmmBackward0'
