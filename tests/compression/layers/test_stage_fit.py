import copy

import pytest
import torch
from torch import nn

from ct_mm.compression.layers.stage_fit import explained_variance, fit_stage
from ct_mm.tracking.models.layers.vit import ViTBlock

WRITERS = ('attn.proj', 'mlp.fc2')


def blocks(count=3):
    torch.manual_seed(0)
    made = nn.ModuleList(ViTBlock(16, 2) for _ in range(count)).eval()
    for parameter in made.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.3)
    return made


def run(stage, streams):
    with torch.no_grad():
        for block in stage:
            streams = [block(stream) for stream in streams]
    return streams


def test_explained_variance():
    target = [torch.tensor([[[1.0], [3.0]]])]
    assert explained_variance(target, target) == 1
    assert explained_variance([torch.full((1, 2, 1), 2.0)], target) == 0
    assert explained_variance([-target[0]], target) < -1


def test_a_stage_of_one_layer_is_found_again_exactly():
    # the right layer is among the candidates, but its writers are spoilt
    stage = blocks()
    streams = [torch.randn(8, 5, 16) for _ in range(4)]
    targets = run(stage[1:2], streams)
    spoilt = copy.deepcopy(stage)
    with torch.no_grad():
        spoilt[1].mlp.fc2.weight.normal_()
    index, layer, score, outputs = fit_stage(spoilt, streams, targets, WRITERS, ridge=1e-9)
    assert index == 1 and score > 0.9
    assert all(torch.equal(output, layer(stream)) for output, stream in zip(outputs, streams))


def test_the_fit_is_much_nearer_to_the_stage_than_any_copied_layer_and_on_unseen_data_too():
    stage = blocks()
    streams, unseen = ([torch.randn(64, 5, 16) for _ in range(4)] for _ in range(2))
    before = copy.deepcopy(stage.state_dict())
    _, layer, score, _ = fit_stage(stage, streams, run(stage, streams), WRITERS)
    copied = max(explained_variance(run([block], unseen), run(stage, unseen)) for block in stage)
    fitted = explained_variance(run([layer], unseen), run(stage, unseen))
    assert fitted > copied + 0.1
    assert score >= fitted - 0.05
    assert all(torch.equal(value, before[name]) for name, value in stage.state_dict().items()), 'only read'


def test_in_mixed_precision_the_outputs_are_those_of_the_changed_weights():
    stage = blocks()
    streams = [torch.randn(64, 5, 16)]
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16):
        _, layer, _, outputs = fit_stage(stage, streams, run(stage, streams), WRITERS)
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(outputs[0], layer(streams[0]))


def test_least_squares_of_the_last_writer_leaves_no_error_that_its_input_explains():
    stage = blocks()
    streams = [torch.randn(64, 5, 16)]
    targets = run(stage, streams)
    _, layer, _, _ = fit_stage(stage, streams, targets, WRITERS, ridge=0)
    hidden = []
    layer.mlp.fc2.register_forward_pre_hook(lambda _module, args: hidden.append(args[0]))
    with torch.no_grad():
        error = (targets[0] - layer(streams[0])).flatten(0, 1).double()
    regressors = hidden[0].flatten(0, 1).double()
    correlation = (regressors.T @ error) / (regressors.norm(dim=0)[:, None] * error.norm(dim=0))
    assert correlation.abs().max() < 1e-4
    assert error.mean(0).abs().max() < 1e-4 * error.std()


def test_blocks_that_are_no_sum_of_their_writers_are_refused():
    layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)  # its norms come after the sums
    streams = [torch.randn(2, 5, 16)]
    with pytest.raises(ValueError, match='is not its input plus the outputs'):
        fit_stage([layer], streams, streams, ('linear2', ))
    with pytest.raises(ValueError, match=r"compress\.fit\.writers=\['mlp\.fc3'\]"):
        fit_stage(blocks(1), streams, streams, ('mlp.fc3', ))


def test_too_few_samples_are_an_error_with_how_many_are_needed():
    stage = blocks()
    streams = [torch.randn(2, 5, 16)]
    with pytest.raises(ValueError, match='compress.fit.samples=2 is too few: they have 10 tokens, .*at least 4'):
        fit_stage(stage, streams, run(stage, streams), WRITERS)  # of attn.proj: 16 inputs and a bias
