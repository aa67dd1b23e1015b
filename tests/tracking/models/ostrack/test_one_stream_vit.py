"""Candidate elimination."""
import math

import pytest
import torch

from ct_mm.tracking.models.ostrack import OneStreamViT

TEMPLATE, SEARCH = 16, 64


def vit(**kwargs):
    torch.manual_seed(0)
    return OneStreamViT(embed_dim=32, depth=4, num_heads=2, template_size=64, search_size=128, **kwargs).eval()


@pytest.fixture
def images():
    rng = torch.Generator().manual_seed(0)
    return torch.randn(2, 3, 64, 64, generator=rng), torch.randn(2, 3, 128, 128, generator=rng)


def run(backbone, images):
    blocks = []
    for block in backbone.blocks:
        block.register_forward_hook(lambda _module, _args, output: blocks.append(output))
    with torch.no_grad():
        return backbone(*images), blocks


def test_tokens_fall_by_the_published_rule_and_come_back_as_zeros(images):
    backbone = vit(ce_layers=(1, 3))
    out, blocks = run(backbone, images)
    left = math.ceil(0.7 * math.ceil(0.7 * SEARCH))
    assert [tokens.shape[1] - TEMPLATE for tokens, _ in blocks] == [64, 45, 45, 32] and left == 32
    assert out.shape == (2, TEMPLATE + SEARCH, 32)
    tokens, kept = blocks[-1]
    for i in range(2):
        zero = (out[i, TEMPLATE:] == 0).all(-1)
        assert set(kept[i].tolist()) == set((~zero).nonzero().flatten().tolist())
        assert torch.equal(out[i, TEMPLATE:][kept[i]], backbone.norm(tokens)[i, TEMPLATE:])
    grid, mask = backbone.stage_tokens((tokens, kept))
    assert mask.sum(1).tolist() == [TEMPLATE + left] * 2 and mask[:, :TEMPLATE].all()
    assert torch.equal(backbone.norm(grid)[mask], out[mask])


def test_kept_are_the_tokens_that_the_middle_of_the_template_attends_to(images):
    backbone = vit(ce_layers=(0, ))
    block = backbone.blocks[0]
    inputs = []
    block.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    _, blocks = run(backbone, images)
    qkv = block.attn.qkv(block.norm1(inputs[0])).view(2, TEMPLATE + SEARCH, 3, 2, 16).permute(2, 0, 3, 1, 4)
    attention = (qkv[0] @ qkv[1].transpose(2, 3) / 4).softmax(-1).mean(1)  # (B, T, T), as the published code has it
    centre = attention[:, 1 * 4 + 1, TEMPLATE:]  # row and column 1 of 4
    for i in range(2):
        assert set(blocks[0][1][i].tolist()) == set(centre[i].topk(45).indices.tolist())


def test_keeping_all_is_not_eliminating(images):
    expected, _ = run(vit(), images)
    out, _ = run(vit(ce_layers=(1, 2), ce_keep_ratio=1.0), images)
    assert torch.equal(out, expected)
    assert vit(ce_layers=(1, )).state_dict().keys() == vit().state_dict().keys(), 'no parameters of its own'


@pytest.mark.parametrize('kwargs', [dict(ce_layers=(4, )), dict(ce_layers=(1, ), ce_keep_ratio=0)])
def test_what_cannot_be_is_refused(kwargs):
    with pytest.raises(ValueError, match='must be indices of the 4 layers'):
        vit(**kwargs)
