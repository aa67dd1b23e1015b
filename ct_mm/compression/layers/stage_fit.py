"""Starts a student closer to its teacher than a copied layer is, in closed form.

A copied layer does a third of its stage's work. Before any gradient step its residual branches can be fitted, by
least squares on a few batches, to what the whole stage adds to the stream. Not part of CompressTracker.
"""
from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..distillation.taps import tap_inputs, tap_outputs


@dataclass(frozen=True)
class FittedStage:
    """How one stage was fitted.

    Args:
        source: Teacher layer that the student's layer started from.
        copied: Share of the variance of the stage's output that the plan's copied layer explains.
        fitted: The same of the fitted layer.
    """

    source: int
    copied: float
    fitted: float


@torch.no_grad()
def fit_stage(candidates: Sequence[nn.Module], streams: Sequence[Tensor], targets: Sequence[Tensor],
              writers: Sequence[str], ridge: float = 1e-4) -> tuple[int, nn.Module, float, list[Tensor]]:
    """Fits each candidate layer to a stage and takes the best.

    Args:
        candidates: The teacher's layers of the stage; they are copied, not changed.
        streams: What enters the stage, batches of (B, T, C).
        targets: What the teacher has at the stage's end, the same shapes.
        writers: Names of the linear layers that write into the residual stream, in the order in which they do.
        ridge: Weight of the ridge penalty, relative to the mean square of the regressors.

    Returns:
        Index of the best candidate, the fitted copy, the share of the variance it explains, and what it gives for the
        streams.

    Raises:
        ValueError: If a block is not the sum of its input and its writers' outputs, or has no such writer.
    """
    best = None
    for index, candidate in enumerate(candidates):
        # frozen, or autocast would go on with its casts of weights that are changed here
        layer = copy.deepcopy(candidate).eval().requires_grad_(False)
        try:
            linears = [layer.get_submodule(name) for name in writers]
        except AttributeError as error:
            raise ValueError(
                f'compress.fit.writers={list(writers)}: {type(layer).__name__} has no such layer') from error
        _check_additive(layer, linears, streams[0], writers)
        for position, linear in enumerate(linears):
            _fit_linear(layer, linears[position:], linear, streams, targets, ridge)
        outputs = [layer(stream) for stream in streams]
        score = explained_variance(outputs, targets)
        if best is None or score > best[2]:  # the outputs of one candidate are many: only the best one's are kept
            best = index, layer, score, outputs
    return best


def explained_variance(outputs: Sequence[Tensor], targets: Sequence[Tensor]) -> float:
    """Share of the variance of the targets that the outputs explain as they stand (1 is perfect, below 0 is harm).

    Args:
        outputs: Batches of (B, T, C).
        targets: The same shapes.

    Returns:
        R2 over all tokens and channels.
    """
    mean = torch.cat([target.flatten(0, 1) for target in targets]).mean(0)  # (C,)
    error = sum(float((target - output).double().square().sum()) for output, target in zip(outputs, targets))
    return 1 - error / sum(float((target - mean).double().square().sum()) for target in targets)


def _fit_linear(layer: nn.Module, from_here: Sequence[nn.Module], linear: nn.Module, streams: Sequence[Tensor],
                targets: Sequence[Tensor], ridge: float) -> None:
    size = linear.in_features + 1
    tokens, samples = sum(stream[..., 0].numel() for stream in streams), sum(map(len, streams))
    if tokens < size:
        raise ValueError(f'compress.fit.samples={samples} is too few: they have {tokens} tokens, but a layer has '
                         f'{size} unknowns for each output; take at least {-(-size * samples // tokens)}')
    gram = torch.zeros(size, size, dtype=torch.float64, device=linear.weight.device)
    moment = torch.zeros(size, linear.out_features, dtype=torch.float64, device=linear.weight.device)
    for stream, target in zip(streams, targets):
        with tap_inputs([linear]) as [given], tap_outputs(from_here) as written:
            output = layer(stream)  # (B, T, C)
        before = output - sum(calls[-1] for calls in written)  # the stream that this writer adds to
        # a batch's products are one step more precise than the training; in float64 they are several times slower
        device = stream.device.type
        dtype = torch.float32 if torch.is_autocast_enabled(device) else torch.float64
        x, y = given[0][0][0].flatten(0, -2).to(dtype), (target - before).flatten(0, -2).to(dtype)  # (B*T, in or out)
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
    rest = output - sum(calls[-1] for calls in written)  # of a pre-norm block: what came in
    if not torch.allclose(rest, stream, rtol=1e-3, atol=1e-3 * float(stream.std())):
        raise ValueError(
            f'compress.fit: {type(layer).__name__} is not its input plus the outputs of {list(writers)} (a norm or a '
            f'scale comes after one, or one is not named), so it cannot be fitted in closed form; name them in '
            f'compress.fit.writers or leave compress.fit out')
