"""Smoothing changes nothing but what int8 makes of a layer."""
import torch
from torch import nn

from ct_mm.deployment.export.deployed_network import DeployedNetwork, example_inputs
from ct_mm.deployment.int8.rounding import round_activations, round_weights, rounded
from ct_mm.deployment.int8.smoothed_linear import SmoothedLinear, smooth


def uneven_rows(rows=256):
    """Inputs of which one channel is a hundred times as large as the others."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(rows, 16, generator=generator) * torch.tensor([100.] + [1.] * 15)


def int8_error(linear, rows):
    layer = linear.inner if isinstance(linear, SmoothedLinear) else linear
    expected, x = linear(rows), rows * getattr(linear, 'inverse', 1)
    with rounded(layer, x.min(), x.max()):
        return float((linear(rows) - expected).square().mean())


class Mixed(nn.Module):
    """A linear layer that is called, and one whose weight alone is read."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.called, self.read = nn.Linear(16, 8), nn.Linear(8, 8)

    def forward(self, rows, _):
        return self.called(rows) @ self.read.weight.T


def test_an_uneven_input_loses_less_and_the_output_is_the_same():
    rows, network = uneven_rows(), Mixed().requires_grad_(False)
    plain, expected = network.called, network(rows, None)
    chosen = smooth(network, [dict(rows=rows, other=rows)] * 2)
    assert set(chosen) == {'called'} and chosen['called'] is not None and type(network.read) is nn.Linear
    torch.testing.assert_close(network(rows, None), expected, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(network.called.weight, plain.weight)
    assert int8_error(network.called, rows) < 0.1 * int8_error(plain, rows)


def test_a_tracker_computes_the_same(make_tracker):
    tracker = make_tracker()
    crops = [example_inputs(tracker.card(), seed) for seed in range(3)]
    network, expected = DeployedNetwork(tracker), DeployedNetwork(tracker)
    assert len(smooth(network, crops[:2])) == 8
    for found, right in zip(network(*crops[2].values()), expected(*crops[2].values())):
        torch.testing.assert_close(found, right, rtol=0, atol=1e-4)


def test_candidate_elimination_reads_the_weights_of_a_smoothed_layer(tiny_model):
    from mmengine.config import Config

    from ct_mm.tracking.inference import init_model
    model = tiny_model()
    model['backbone'].update(ce_layers=[0], ce_keep_ratio=0.5)
    torch.manual_seed(0)
    tracker = init_model(Config(dict(model=model)))
    crops = [example_inputs(tracker.card(), seed) for seed in range(2)]
    network, expected = DeployedNetwork(tracker), DeployedNetwork(tracker)
    network.network.backbone.blocks[0].attn.qkv = SmoothedLinear(
        network.network.backbone.blocks[0].attn.qkv, torch.linspace(0.5, 2, 32))
    for found, right in zip(network(*crops[0].values()), expected(*crops[0].values())):
        torch.testing.assert_close(found, right, rtol=0, atol=1e-4)


def test_rounding_keeps_zero_and_what_is_within_the_bounds():
    values = torch.tensor([0., 0.3, 2.55, -5., 99.])
    found = round_activations(values, torch.tensor(1.), torch.tensor(2.55))  # zero belongs to every range
    torch.testing.assert_close(found, torch.tensor([0., 0.3, 2.55, 0., 2.55]))
    weight = torch.tensor([[1.27, 0.004], [0., 0.]])
    torch.testing.assert_close(round_weights(weight), torch.tensor([[1.27, 0.], [0., 0.]]))
