"""Starts a student layer from teacher layers, whether or not it has their shape."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

#: Attributes by which modules keep the number of their layer, mostly to find their part of a cache.
INDEX_NAMES = ('layer_idx', 'layer_index', 'layer_id', 'layer_number', 'block_idx', 'block_index', 'block_id')


@torch.no_grad()
def copy_layer(layer: nn.Module, sources: Sequence[nn.Module]) -> str:
    """Copies what fits.

    An entry of the same name and shape is copied. Where the student's MLP is narrower and nothing else, its hidden
    neurons are the teacher's most important ones: those with the largest product of two norms, that of the weights (and
    biases) into the neuron and that of the weights out of it. Everything else stays as it was built.

    Args:
        layer: The student's layer, changed in place.
        sources: Teacher layers; of several the mean is taken (buffers are the last one's).

    Returns:
        What was not a plain copy, in words; empty if all was.
    """
    state = _mean_state(sources)
    own = layer.state_dict()
    kept = _important_neurons(layer, sources[-1], state)
    chosen, built = [], []
    for name, value in own.items():
        if name in state and state[name].shape == value.shape:
            value.copy_(state[name])
        elif name in kept:
            dim, index = kept[name]
            value.copy_(state[name].index_select(dim, index))
            chosen.append(f'{name} {state[name].shape[dim]} -> {len(index)}')
        else:
            built.append(name)
    notes = [f'by importance {", ".join(chosen)}'] if chosen else []
    if built:
        some = f'{", ".join(built[:3])} and {len(built) - 3} more' if len(built) > 3 else ', '.join(built)
        notes.append(f'{len(built)} of {len(own)} entries as built, whose shapes differ: {some}')
    return '; '.join(notes)


def renumber_layers(blocks: Sequence[nn.Module], layers: Sequence[nn.Module]) -> None:
    """Gives the student's layers numbers without gaps, as a model with fewer layers would.

    Args:
        blocks: The N blocks of a stack. An attribute is a number if it counts them one by one.
        layers: The student's layers, changed in place; some of the blocks, or others like them.
    """
    counted = []
    for path, module in blocks[0].named_modules():
        for name in INDEX_NAMES:
            first = getattr(module, name, None)
            if isinstance(first, int) and len(blocks) > 1 and all(
                    getattr(block.get_submodule(path), name, None) == first + i for i, block in enumerate(blocks)):
                counted.append((path, name, first))
    for path, name, first in counted:
        for i, layer in enumerate(layers):
            setattr(layer.get_submodule(path), name, first + i)


def _mean_state(sources: Sequence[nn.Module]) -> dict[str, Tensor]:
    state = sources[-1].state_dict()
    if len(sources) > 1:
        parameters = [dict(source.named_parameters()) for source in sources]
        state.update({name: torch.stack([p[name] for p in parameters]).mean(0) for name in parameters[-1]})
    return state


def _important_neurons(layer: nn.Module, source: nn.Module,
                       state: Mapping[str, Tensor]) -> dict[str, tuple[int, Tensor]]:
    """For each entry to be narrowed the dimension and the indices to keep."""
    own = layer.state_dict()
    attention = tuple(f'{name}.' for name, module in source.named_modules() if name and _is_attention(module))
    linear = [name for name, module in source.named_modules() if isinstance(module, nn.Linear)]
    linear = [name for name in linear if f'{name}.weight' in own and not name.startswith(attention)]
    changed = {name: (tuple(state[f'{name}.weight'].shape), tuple(own[f'{name}.weight'].shape)) for name in linear}
    out = [name for name, (t, s) in changed.items() if t[0] == s[0] and t[1] > s[1]]  # those that end an MLP
    kept = {}
    for name in out:
        hidden, fewer = changed[name][0][1], changed[name][1][1]
        before = linear[:linear.index(name)]  # else a narrower stream would be taken for hidden neurons
        into = [other for other, (t, s) in changed.items() if other in before
                and t[1] == s[1] and t[0] % hidden == 0 and s[0] * hidden == t[0] * fewer and t[0] != s[0]]
        if not into or sum(changed[other] == changed[name] for other in out) > 1:
            continue  # no MLP, or two of a size whose halves cannot be told apart
        score = _norm_into(into, state, hidden) * state[f'{name}.weight'].norm(dim=0)  # (H, )
        best = score.topk(fewer).indices.sort().values  # (H', ), in their old order
        for key, value in own.items():
            for dim in range(value.dim() if key in state and state[key].dim() == value.dim() else 0):
                had, now = state[key].shape[dim], value.shape[dim]
                rest = [n for i, n in enumerate(value.shape) if i != dim]
                if had % hidden == 0 and now * hidden == had * fewer and had != now \
                        and rest == [n for i, n in enumerate(state[key].shape) if i != dim]:
                    # a gated MLP may hold the gate beside the value in one layer, so m * H rows
                    kept[key] = dim, torch.cat([best + chunk * hidden for chunk in range(had // hidden)])
    return kept


def _norm_into(into: Sequence[str], state: Mapping[str, Tensor], hidden: int) -> Tensor:
    square = 0
    for name in into:
        weight = state[f'{name}.weight'].view(-1, hidden, state[f'{name}.weight'].shape[1])  # (m, H, C)
        square = square + weight.square().sum((0, 2))
        if f'{name}.bias' in state:
            square = square + state[f'{name}.bias'].view(-1, hidden).square().sum(0)
    return square.sqrt()


def _is_attention(module: nn.Module) -> bool:
    """Its inner channels belong to heads and are no neurons to be chosen one by one."""
    return any('heads' in name for name in vars(module)) or any(
        word in type(module).__name__.lower() for word in ('attention', 'attn', 'msa'))
