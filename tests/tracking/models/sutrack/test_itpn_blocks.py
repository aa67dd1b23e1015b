"""The blocks of Fast-iTPN where a compression starts from fitted ones."""
import copy

import torch

from ct_mm.compression.layers.stage_fit import explained_variance, fit_stage
from ct_mm.tracking.models.sutrack.itpn_blocks import ITPNBlock


def stage(count=3):
    torch.manual_seed(0)
    blocks = torch.nn.ModuleList(ITPNBlock(16, 2) for _ in range(count)).eval()
    for parameter in blocks.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return blocks


def test_folded_scales_change_nothing_that_the_block_computes():
    block, tokens = stage(1)[0], torch.randn(2, 5, 16)
    folded = copy.deepcopy(block)
    folded.fold_scales()
    assert (folded.gamma_1 == 1).all() and not (block.gamma_1 == 1).any()
    torch.testing.assert_close(folded(tokens), block(tokens))


def test_a_block_is_fitted_to_its_stage_through_its_scales():
    blocks, streams = stage(), [torch.randn(64, 5, 16) for _ in range(4)]
    with torch.no_grad():
        targets = streams
        for block in blocks:
            targets = [block(stream) for stream in targets]
        copied = max(explained_variance([block(stream) for stream in streams], targets) for block in blocks)
    _, layer, fitted, _ = fit_stage(blocks, streams, targets, blocks[0].writers)
    assert fitted > copied + 0.1 and not any(parameter.requires_grad for parameter in layer.parameters())
