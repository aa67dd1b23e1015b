import pytest
import torch
from torch import nn

from ct_mm.engine.onednn import by_onednn, pack_weights


@pytest.mark.parametrize('shape', [(7, 12), (2, 5, 12), (12, )])
@pytest.mark.parametrize('bias', [True, False])
@pytest.mark.parametrize('frozen', [True, False])
def test_output_and_gradients_are_those_of_a_linear_layer(shape, bias, frozen):
    torch.manual_seed(0)
    layer = nn.Linear(12, 9, bias=bias).requires_grad_(not frozen)
    results = []
    for context in (by_onednn(), torch.enable_grad()):
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
    with by_onednn(), torch.autograd.graph.saved_tensors_hooks(see, lambda tensor: tensor):
        layer(x)
    assert saved == [layer.weight.shape]


@pytest.mark.parametrize('dtype', [torch.float64, torch.bfloat16])
def test_other_precisions_are_left_alone_bit_for_bit(dtype):
    layer, x = nn.Linear(12, 9).to(dtype), torch.ones(4, 12, dtype=dtype)
    with by_onednn():
        assert torch.equal(layer(x), nn.functional.linear(x, layer.weight, layer.bias))
        assert layer(x).dtype == dtype


def test_mixed_precision_of_float16_is_left_alone():
    layer, x = nn.Linear(12, 9), torch.rand(4, 12)
    with torch.autocast('cpu', torch.float16):
        expected = layer(x)
        with by_onednn():
            assert layer(x).dtype == torch.float16 and torch.equal(layer(x), expected)


@pytest.mark.skipif(not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason='the CPU has no bfloat16')
@pytest.mark.parametrize('kept', [torch.float32, torch.bfloat16])  # in what a frozen layer's weights are kept
@pytest.mark.parametrize('frozen', [True, False])
def test_mixed_precision_of_bfloat16_rounds_where_autocast_does(kept, frozen):
    torch.manual_seed(0)
    layer = nn.Linear(12, 9).to(kept).requires_grad_(not frozen)
    results = []
    for context in (by_onednn(), torch.enable_grad()):
        x = torch.linspace(-1, 1, 120).view(2, 5, 12).requires_grad_()
        layer.zero_grad()
        with torch.autocast('cpu', torch.bfloat16), context:
            out = layer(x)
        out.float().square().sum().backward()
        results.append([out.detach(), x.grad, *(p.grad for p in layer.parameters() if not frozen)])
    assert results[0][0].dtype == torch.bfloat16 and results[0][1].dtype == torch.float32
    for own, expected in zip(*results, strict=True):
        torch.testing.assert_close(own, expected, rtol=0.02, atol=0.02)


@pytest.mark.skipif(not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason='the CPU has no bfloat16')
def test_packed_weights_are_used_as_long_as_they_are_those_of_the_layer(monkeypatch):
    torch.manual_seed(0)
    layer, x = nn.Linear(48, 32).bfloat16().requires_grad_(False), torch.randn(4, 48, requires_grad=True)
    layouts, product = [], torch.ops.mkldnn._linear_pointwise

    def spy(x, weight, *args):
        layouts.append(weight.layout)
        return product(x, weight, *args)

    def run():
        layouts.clear()
        with torch.autocast('cpu', torch.bfloat16), by_onednn():
            out = layer(x)
        return out.detach(), torch.autograd.grad(out.float().square().sum(), x)[0]

    monkeypatch.setattr(

        'ct_mm.engine.onednn._product', lambda x, weight, bias=None: spy(x, weight, bias, 'none', [], ''))
    plain = run()
    pack_weights(layer)
    for own, expected in zip(run(), plain):
        assert torch.equal(own, expected)
    assert layouts[0] != torch.strided and layouts[1] == torch.strided  # the gradient needs them transposed
    layer.weight.mul_(2)
    doubled = run()
    assert layouts[0] == torch.strided and not torch.equal(doubled[0], plain[0])
    pack_weights(layer)
    assert torch.equal(run()[0], doubled[0]) and layouts[0] != torch.strided
    pack_weights(trained := nn.Linear(48, 32).bfloat16())
    assert not hasattr(trained.weight, 'packed')


@pytest.mark.parametrize('length, dtype, fused', [(8, torch.bfloat16, False), (8, torch.float32, True),
                                                  (513, torch.bfloat16, True)])
def test_only_short_attention_in_bfloat16_is_written_out(length, dtype, fused):
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, 2, length, 4, dtype=dtype, requires_grad=True) for _ in range(3))
    expected = nn.functional.scaled_dot_product_attention(query, key, value)
    with by_onednn():
        out = nn.functional.scaled_dot_product_attention(query, key, value)
        causal = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
    assert ('ScaledDot' in out.grad_fn.name()) == fused and 'ScaledDot' in causal.grad_fn.name()
    assert torch.allclose(out, expected, atol=2e-2)
    for own, other in zip(*(torch.autograd.grad(o.square().sum(), (query, key, value)) for o in (out, expected))):
        assert torch.allclose(own, other, rtol=0.1, atol=0.05)


def test_it_ends_with_its_context():
    layer, x = nn.Linear(12, 9), torch.ones(4, 12, requires_grad=True)
    with by_onednn():
        pass
    assert layer(x).grad_fn.name() == 'AddmmBackward0'
