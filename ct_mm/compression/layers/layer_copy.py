"""Initialises a student layer from teacher layers, of the same shape or another."""
from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

#: Attributes in which modules store the number of their layer, usually to find their part of a cache.
INDEX_NAMES = ('layer_idx', 'layer_index', 'layer_id', 'layer_number', 'block_idx', 'block_index', 'block_id')


@torch.no_grad()
def copy_layer(layer: nn.Module, sources: Sequence[nn.Module]) -> str:
    """Copies what fits.

    Entries of the same name and shape are copied. If only the hidden width of the student's MLP is smaller, it gets the
    teacher's most important neurons: those with the largest product of two norms, of the weights (and biases) into the
    neuron and of the weights out of it. Everything else stays as it was built.

    Args:
        layer: The student's layer, changed in place.
        sources: Teacher layers; several are averaged (their buffers come from the last one).

    Returns:
        A description of what was not simply copied; empty if nothing.
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
    """Numbers the student's layers without gaps, as in a model with fewer layers.

    Args:
        blocks: The N blocks of a stack. An attribute is a layer number if it counts them one by one.
        layers: The student's layers, changed in place; some of the blocks, or others like them.
    """
    for path, name in itertools.product([path for path, _ in blocks[0].named_modules()], INDEX_NAMES):
        numbers = [getattr(block.get_submodule(path), name, None) for block in blocks]
        first = numbers[0]
        if isinstance(first, int) and len(blocks) > 1 and numbers == list(range(first, first + len(blocks))):
            for number, layer in enumerate(layers, start=first):
                setattr(layer.get_submodule(path), name, number)


def _mean_state(sources: Sequence[nn.Module]) -> dict[str, Tensor]:
    state = sources[-1].state_dict()
    if len(sources) > 1:
        parameters = [dict(source.named_parameters()) for source in sources]
        state.update({name: torch.stack([p[name] for p in parameters]).mean(0) for name in parameters[-1]})
    return state


def _important_neurons(layer: nn.Module, source: nn.Module,
                       state: Mapping[str, Tensor]) -> dict[str, tuple[int, Tensor]]:
    """Returns the dimension and the indices to keep of each entry to be narrowed."""
    own = layer.state_dict()
    attention = tuple(f'{name}.' for name, module in source.named_modules() if name and _is_attention(module))
    linear = [name for name, module in source.named_modules() if isinstance(module, nn.Linear)]
    linear = [name for name in linear if f'{name}.weight' in own and not name.startswith(attention)]
    changed = {name: (tuple(state[f'{name}.weight'].shape), tuple(own[f'{name}.weight'].shape)) for name in linear}
    out = [name for name, (t, s) in changed.items() if t[0] == s[0] and t[1] > s[1]]  # those that end an MLP
    kept = {}
    for name in out:
        hidden, fewer = changed[name][0][1], changed[name][1][1]
        before = linear[:linear.index(name)]  # otherwise a narrower stream would be mistaken for hidden neurons
        into = [other for other, (t, s) in changed.items() if other in before
                and t[1] == s[1] and t[0] % hidden == 0 and s[0] * hidden == t[0] * fewer and t[0] != s[0]]
        if not into or sum(changed[other] == changed[name] for other in out) > 1:
            continue  # no MLP, or two of the same size whose halves cannot be told apart
        score = _norm_into(into, state, hidden) * state[f'{name}.weight'].norm(dim=0)  # (H, )
        best = score.topk(fewer).indices.sort().values  # (H', ), in their old order
        for key, value in own.items():
            shape = tuple(state[key].shape) if key in state else ()
            for dim, had in enumerate(shape):
                now = had // hidden * fewer  # a gated MLP may store gate and value in one layer, so m * H rows
                if had % hidden == 0 and now != had and value.shape == (*shape[:dim], now, *shape[dim + 1:]):
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
    """Recognises an attention; its inner channels belong to heads and cannot be chosen one by one."""
    return any('heads' in name for name in vars(module)) or any(
        word in type(module).__name__.lower() for word in ('attention', 'attn', 'msa'))
