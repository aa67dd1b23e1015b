"""Narrows a pretrained ViT to the width of the quick start's teacher, in closed form.

A ViT of width 128 trained from nothing on a few hundred photographs does not learn to track; one that
starts from the features of a pretrained ViT-S does. The residual stream is projected on its principal
directions, and every layer is then fitted by least squares, in order, so that the narrow stream follows
the projection of the wide one and each layer mends the errors of those before it:

* queries and keys: the rank of the attention logits of the heads that matter most is reduced;
* values and the projection after attention, and the MLP over its most active neurons, likewise.

Usage: python narrow_vit.py CONFIG WIDE.npz OUT.pth [--cfg-options ...]; CONFIG gives the narrow model and
the pairs to fit on. It prints how much of each layer's stream the narrow model explains (R2).
"""
import argparse

import torch
import torch.nn.functional as F
from mmengine.config import Config, DictAction
from torch import Tensor

from ct_mm import cli
from ct_mm.engine.checkpoints.writing import save_checkpoint
from ct_mm.registry import DATASETS, MODELS
from ct_mm.tracking.models.ostrack.converter.vit import convert_vit_weights, read_npz


def wide_tokens_model(weights: dict, template_size: int, search_size: int) -> torch.nn.Module:
    """The pretrained ViT as a one-stream backbone."""
    width, _, patch, _ = weights['patch_embed.proj.weight'].shape
    depth = 1 + max(int(name.split('.')[1]) for name in weights if name.startswith('blocks.'))
    model = MODELS.build(
        dict(
            type='ct_mm.OneStreamViT', embed_dim=width, depth=depth, num_heads=width // 64, patch_size=patch,
            template_size=template_size, search_size=search_size))
    state = convert_vit_weights(weights, template_size, search_size, antialias=True)
    model.load_state_dict(state)
    return model.eval()


def fit(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Ridge regression: weight (out, in) and bias (out,) with ``y ~ x @ weight.T + bias``."""
    x_mean, y_mean = x.mean(0), y.mean(0)
    xc, yc = (x - x_mean).double(), (y - y_mean).double()
    gram = xc.T @ xc
    gram.diagonal().add_(1e-4 * gram.diagonal().mean())
    weight = torch.linalg.solve(gram, xc.T @ yc).T.float()
    return weight, y_mean - weight @ x_mean


def root(x: Tensor) -> Tensor:
    """Square root of the second moment of rows, (N, d) -> (d, d), with a floor that keeps it invertible."""
    values, vectors = torch.linalg.eigh((x.T @ x / len(x)).double())
    values = values.clamp(min=float(values.max()) * 1e-6)
    return ((vectors * values.sqrt()) @ vectors.T).float()


def explained(x: Tensor, y: Tensor) -> float:
    """Share of the variance of ``y`` that ``x`` explains without a fit."""
    return float(1 - ((y - x)**2).sum() / ((y - y.mean(0))**2).sum())


def normed(x: Tensor) -> Tensor:
    """Layer norm without weights."""
    return F.layer_norm(x, x.shape[-1:], eps=1e-6)


@torch.no_grad()
def narrow(wide: torch.nn.Module, small: torch.nn.Module, template: Tensor, search: Tensor) -> None:
    """Fits ``small`` (same depth and patch size) to ``wide`` on normalised pairs, in place."""
    batch, width = len(template), small.embed_dim
    heads = small.blocks[0].attn.num_heads
    head_dim = width // heads
    x = torch.cat([
        wide.patch_embed(template) + wide.pos_embed_template,
        wide.patch_embed(search) + wide.pos_embed_search
    ], 1)  # (B, T, C)
    length, wide_dim = x.shape[1:]
    centre = torch.eye(wide_dim) - 1 / wide_dim
    project = stream_directions(wide, x, width)  # (C, c)
    to_small = project.T @ centre  # (c, C)
    small.patch_embed.proj.weight.copy_(torch.einsum('sc,cijk->sijk', to_small, wide.patch_embed.proj.weight))
    small.patch_embed.proj.bias.copy_(to_small @ wide.patch_embed.proj.bias)
    for name in ('pos_embed_template', 'pos_embed_search'):
        getattr(small, name).copy_(getattr(wide, name) @ to_small.T)
    y = x @ to_small.T  # (B, T, c)
    for index, (big, block) in enumerate(zip(wide.blocks, small.blocks)):
        # --- attention
        tokens = big.norm1(x)
        qkv = big.attn.qkv(tokens).view(batch, length, 3, big.attn.num_heads, -1).permute(2, 3, 0, 1, 4)
        query, key, value = qkv.flatten(2, 3)  # each (H, B*T, D)
        mixed = F.scaled_dot_product_attention(*qkv.transpose(1, 2))  # (B, H, T, D)
        out_weight = big.attn.proj.weight.view(wide_dim, big.attn.num_heads, -1)  # (C, H, D)
        effect = torch.stack([
            (mixed[:, h].flatten(0, 1) @ out_weight[:, h].T @ to_small.T).var(0).sum()
            for h in range(big.attn.num_heads)
        ])
        chosen = effect.topk(heads).indices.tolist()
        x = x + big.attn.proj(mixed.transpose(1, 2).flatten(2))
        u = normed(y).flatten(0, 1)  # (B*T, c)
        rows = {'q': [], 'k': [], 'v': []}
        for h in chosen:
            q_root, k_root = root(query[h]), root(key[h])
            left, strength, right = torch.linalg.svd(q_root @ k_root.T)
            scale = strength[:head_dim].sqrt() * (head_dim**0.25 / query.shape[-1]**0.25)
            rows['q'].append(query[h] @ torch.linalg.solve(q_root, left[:, :head_dim]) * scale)
            rows['k'].append(key[h] @ torch.linalg.solve(k_root, right[:head_dim].T) * scale)
            out = to_small @ out_weight[:, h]  # (c, D)
            _, _, directions = torch.linalg.svd(out @ root(value[h]))
            v_root = root(value[h])
            rows['v'].append(value[h] @ torch.linalg.solve(v_root, directions[:head_dim].T))
        weight, bias = fit(u, torch.cat([torch.cat(rows[name], 1) for name in 'qkv'], 1))
        block.attn.qkv.weight.copy_(weight)
        block.attn.qkv.bias.copy_(bias)
        # with an identity in place of the projection, the block's attention returns the regressors
        block.attn.proj.weight.copy_(torch.eye(width))
        block.attn.proj.bias.zero_()
        mixed_small = block.attn(block.norm1(y)).flatten(0, 1)
        weight, bias = fit(mixed_small, (x @ to_small.T - y).flatten(0, 1))
        block.attn.proj.weight.copy_(weight)
        block.attn.proj.bias.copy_(bias)
        y = y + block.attn(block.norm1(y))
        attention_r2 = explained(y.flatten(0, 1), (x @ to_small.T).flatten(0, 1))
        # --- MLP
        before = big.mlp.fc1(big.norm2(x)).flatten(0, 1)  # (B*T, 4C)
        strength = F.gelu(before).std(0) * (to_small @ big.mlp.fc2.weight).norm(dim=0)
        neurons = strength.topk(block.mlp.fc1.out_features).indices
        x = x + big.mlp.fc2(F.gelu(before)).view_as(x)
        weight, bias = fit(normed(y).flatten(0, 1), before[:, neurons])
        block.mlp.fc1.weight.copy_(weight)
        block.mlp.fc1.bias.copy_(bias)
        weight, bias = fit(F.gelu(block.mlp.fc1(block.norm2(y))).flatten(0, 1), (x @ to_small.T - y).flatten(0, 1))
        block.mlp.fc2.weight.copy_(weight)
        block.mlp.fc2.bias.copy_(bias)
        y = y + block.mlp(block.norm2(y))
        print(f'layer {index:2d}: R2 {attention_r2:.3f} after attention, '
              f'{explained(y.flatten(0, 1), (x @ to_small.T).flatten(0, 1)):.3f} after the MLP', flush=True)


def stream_directions(wide: torch.nn.Module, x: Tensor, width: int) -> Tensor:
    """Principal directions (C, c) of the normalised stream over all layers.

    They are rotated so that the mean over the narrow channels, which a layer norm removes, carries no information.
    """
    moments = torch.zeros(x.shape[-1], x.shape[-1])
    for block in wide.blocks:
        moments += normed(x).flatten(0, 1).T @ normed(x).flatten(0, 1)
        x = x + block.attn(block.norm1(x))
        moments += normed(x).flatten(0, 1).T @ normed(x).flatten(0, 1)
        x = x + block.mlp(block.norm2(x))
    final = normed(x).flatten(0, 1)
    moments += 8 * final.T @ final  # the head reads this one
    values, vectors = torch.linalg.eigh(moments.double())
    print(f'{width - 1} of {len(values)} directions hold {float(values[1 - width:].sum() / values.sum()):.1%}')
    top = vectors[:, 1 - width:].float()  # (C, c-1)
    noise = torch.randn(width, width - 1, generator=torch.Generator().manual_seed(0))
    turn = torch.linalg.qr(torch.cat([torch.ones(width, 1), noise], 1))[0]  # its first column is the mean direction
    return top @ turn[:, 1:].T


def main() -> None:
    """Runs the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('wide', help='timm-style weights of a ViT with a class token, as .npz')
    parser.add_argument('out')
    parser.add_argument('--pairs', type=int, default=400)
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    cli.add_debug(parser)
    args = parser.parse_args()
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    torch.manual_seed(0)
    cfg.model.backbone.pop('init_cfg', None)
    tracker = MODELS.build(cfg.model)
    weights = read_npz(args.wide)
    small = tracker.backbone
    wide = wide_tokens_model(weights, small.template_size, small.search_size)
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    pairs = [dataset[10**9 + index]['inputs'] for index in range(args.pairs)]  # draws that no training sees
    images = {
        name: tracker.data_preprocessor.normalize(torch.stack([pair[name] for pair in pairs]))
        for name in ('template', 'search')
    }
    narrow(wide, small, **images)
    save_checkpoint(dict(state_dict=small.state_dict()), args.out)


if __name__ == '__main__':
    cli.run(main)
