"""Fits student layers to their stages in closed form.

A copied layer replaces a stage of several layers. Before the first gradient step its residual branches can be fitted,
by least squares on a few batches, to what the whole stage adds to the stream. This is not part of CompressTracker.
"""
from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..distillation.taps import tap_outputs


@torch.no_grad()
def fit_stage(candidates: Sequence[nn.Module], streams: Sequence[Tensor], targets: Sequence[Tensor],
              writers: Sequence[str], ridge: float = 1e-4) -> tuple[int, nn.Module, float, list[Tensor]]:
    """Fits each candidate layer to a stage and takes the best.

    A layer may have a method ``fold_scales`` that makes scales behind its writers a part of them.

    Args:
        candidates: The teacher's layers of the stage; they are copied, not changed.
        streams: The inputs of the stage, batches of (B, T, C).
        targets: The teacher's outputs of the stage, of the same shapes.
        writers: Names of the linear layers that write into the residual stream, in order.
        ridge: Weight of the ridge penalty, relative to the mean square of the regressors.

    Returns:
        Index of the best candidate, the fitted copy, the share of the variance that it explains, and its outputs for
        the streams.

    Raises:
        ValueError: If a block is not the sum of its input and its writers' outputs, or has no such writer.
    """
    best = None
    for index, candidate in enumerate(candidates):
        # frozen, because autocast would otherwise reuse its casts of weights that are changed here
        layer = copy.deepcopy(candidate).eval().requires_grad_(False)
        getattr(layer, 'fold_scales', lambda: None)()
        try:
            linears = [layer.get_submodule(name) for name in writers]
        except AttributeError as error:
            raise ValueError(f'compress.fit.writers={list(writers)}: {type(layer).__name__} lacks one') from error
        _check_additive(layer, linears, streams[0], writers)
        for position in range(len(linears)):
            _fit_linear(layer, linears[position:], streams, targets, ridge)
        outputs = [layer(stream) for stream in streams]
        score = explained_variance(outputs, targets)
        if best is None or score > best[2]:  # outputs are large, so only those of the best candidate are kept
            best = index, layer, score, outputs
    return best


def explained_variance(outputs: Sequence[Tensor], targets: Sequence[Tensor]) -> float:
    """Returns the share of the variance of the targets that the outputs explain (1 is perfect, below 0 is harmful).

    Args:
        outputs: Batches of (B, T, C).
        targets: The same shapes.

    Returns:
        R2 over all tokens and channels.
    """
    mean = torch.cat([target.flatten(0, 1) for target in targets]).mean(0)  # (C,)
    error = sum(float((target - output).double().square().sum()) for output, target in zip(outputs, targets))
    return 1 - error / sum(float((target - mean).double().square().sum()) for target in targets)


def _fit_linear(layer: nn.Module, from_here: Sequence[nn.Module], streams: Sequence[Tensor],
                targets: Sequence[Tensor], ridge: float) -> None:
    """Fits the first of the remaining writers of a layer."""
    linear = from_here[0]
    size = linear.in_features + 1
    tokens, samples = sum(stream[..., 0].numel() for stream in streams), sum(map(len, streams))
    if tokens < size:
        raise ValueError(f'compress.fit.samples={samples} is too few: they have {tokens} tokens, but a layer has '
                         f'{size} unknowns for each output; take at least {-(-size * samples // tokens)}')
    gram = torch.zeros(size, size, dtype=torch.float64, device=linear.weight.device)
    moment = torch.zeros(size, linear.out_features, dtype=torch.float64, device=linear.weight.device)
    for stream, target in zip(streams, targets):
        with tap_outputs(from_here, with_inputs=True) as calls:
            output = layer(stream)  # (B, T, C)
        given, before = calls[0][0][0][0], output - sum(written for *_, (*_, written) in calls)
        # the products are one step more precise than the training; in float64 they are several times slower
        device = stream.device.type
        dtype = torch.float32 if torch.is_autocast_enabled(device) else torch.float64
        x, y = given.flatten(0, -2).to(dtype), (target - before).flatten(0, -2).to(dtype)  # (B*T, in or out)
        x = torch.cat([x, torch.ones_like(x[:, :1])], 1)  # (B*T, in + 1)
        with torch.autocast(device, enabled=False):
            gram += (x.T @ x).double()
            moment += (x.T @ y).double()
    penalty = torch.full((size, ), float(gram.diagonal()[:-1].mean()) * ridge, dtype=torch.float64, device=gram.device)
    penalty[-1] = 0  # the bias is free
    solution = torch.linalg.solve(gram + penalty.diag(), moment)  # (in + 1, out)
    linear.weight.copy_(solution[:-1].T)
    if linear.bias is not None:
        linear.bias.copy_(solution[-1])


def _check_additive(layer: nn.Module, linears: Sequence[nn.Module], stream: Tensor, writers: Sequence[str]) -> None:
    stream = stream.float()
    with tap_outputs(linears) as written, torch.autocast(stream.device.type, enabled=False):
        output = layer(stream)
    rest = output - sum(calls[-1] for calls in written)  # in a pre-norm block, the input
    if not torch.allclose(rest, stream, rtol=1e-3, atol=1e-3 * float(stream.std())):
        raise ValueError(f'compress.fit: {type(layer).__name__} is not its input plus the outputs of {list(writers)} '
                         f'(a norm or scale follows one, or one is missing), so it has no closed-form fit; name '
                         f'them in compress.fit.writers or remove compress.fit')
