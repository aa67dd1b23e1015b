"""Finds the lists of like blocks in a transformer."""
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mmengine.logging import print_log
from torch import nn

#: A list of blocks in a module is one of these, or a subclass.
CONTAINERS = (nn.ModuleList, nn.Sequential)


@dataclass(frozen=True)
class LayerStack:
    """A run of like blocks in a list of modules.

    Args:
        container: Dotted path from the model to the ``nn.ModuleList`` or ``nn.Sequential``, such as
            ``backbone.blocks``.
        layers: The blocks.
        start: Index of the first block in the list.
        whole: Whether the blocks are the whole list.
    """

    container: str
    layers: tuple[nn.Module, ...]
    start: int = 0
    whole: bool = True

    @property
    def path(self) -> str:
        """Its name in ``compress.layers``: ``backbone.blocks``, or ``backbone.blocks[2:8]`` for a part of a list."""
        return self.container if self.whole else f'{self.container}[{self.start}:{self.start + len(self.layers)}]'

    def of(self, model: nn.Module) -> list[nn.Module]:
        """Returns the same blocks of another model of this architecture."""
        return list(model.get_submodule(self.container))[self.start:self.start + len(self.layers)]

    def inside(self, owner: str) -> LayerStack:
        """Returns the same stack with a path relative to one of its ancestors, ``owner``."""
        return replace(self, container=self.container.removeprefix(f'{owner}.'))

    def __str__(self) -> str:
        return f'{self.path} ({len(self.layers)} x {type(self.layers[0]).__name__})'


def candidate_stacks(model: nn.Module, prefix: str = '') -> list[LayerStack]:
    """Lists what could be divided: every outermost run of at least two like blocks.

    Blocks are alike if they have the same class and their parameters have the same names and shapes. Each must contain
    an attention or at least a linear layer, because a list of plain convolutions is not a transformer. Bare sequences
    of layers, such as the branches of a detection head, count only if nothing else is found.

    Args:
        model: Any module.
        prefix: Path of this module in a larger one, to put in front of the stacks' paths.

    Returns:
        The candidates, in the order of the model.
    """
    found: list[LayerStack] = []
    for path, module in model.named_modules(prefix=prefix):
        if isinstance(module, CONTAINERS) and not any(_holds(stack, path) for stack in found):
            found.extend(stack for stack in _runs(path, module) if len(stack.layers) > 1 and _is_block(stack.layers[0]))
    return [stack for stack in found if not _is_bare(stack.layers[0])] or found


def find_layer_stacks(model: nn.Module, layers: str | Sequence[str] | None = None) -> list[LayerStack]:
    """Finds the stacks to divide, by name or, if only one choice is sensible, automatically.

    Args:
        model: Any module.
        layers: Names of stacks. A name is the dotted path of a list of blocks (``'backbone.blocks'``; a list of unlike
            blocks yields one stack for each run of like ones), a part of a list (``'backbone.blocks[2:8]'``), or the
            path of any module, which stands for all stacks inside it (``'backbone'`` of a hierarchical model). ``None``
            searches: stacks whose paths differ only in numbers, as in a hierarchical backbone, are one choice.

    Returns:
        The stacks, in the order of the names.

    Raises:
        ValueError: If a name leads to no blocks, two names lead to the same blocks, or the model has no stack or
            several equally plausible ones. The message lists the candidates.
    """
    if layers is not None:
        stacks = [stack for name in ([layers] if isinstance(layers, str) else layers) for stack in _named(model, name)]
        places = [(stack.container, stack.start + i) for stack in stacks for i in range(len(stack.layers))]
        if not stacks or len(set(places)) < len(places):
            raise ValueError(f'layers={layers!r} must name each stack once, but means {", ".join(map(str, stacks))}')
        return stacks
    candidates = candidate_stacks(model)
    if not candidates:
        raise ValueError(f'{type(model).__name__} has no stack of equal transformer blocks to divide; if its blocks '
                         f'are arranged differently, name them with compress.layers')
    groups: dict[str, list[LayerStack]] = {}
    for stack in candidates:
        groups.setdefault(re.sub(r'\d+', '*', stack.container), []).append(stack)
    chosen = max(groups.values(), key=_num_parameters)
    # A group with nearly all block parameters is an obvious choice; two groups of similar size are not.
    if _num_parameters(chosen) < 0.9 * _num_parameters(candidates):
        raise ValueError(f'{type(model).__name__} has several stacks of blocks; choose one with compress.layers, or '
                         f'some with a list:{_listing(candidates)}')
    left = [stack for stack in candidates if stack not in chosen]
    print_log(f'{type(model).__name__}: chose to divide {", ".join(map(str, chosen))}'
              f'{"; left alone: " + ", ".join(map(str, left)) if left else ""}', 'current')
    return chosen


def _named(model: nn.Module, name: str) -> list[LayerStack]:
    path, start, stop = re.fullmatch(r'(.*?)(?:\[(\d*):(\d*)\])?', name).groups()
    listing = f'candidates:{_listing(candidate_stacks(model))}'
    try:
        module = model.get_submodule(path)
    except AttributeError as error:
        raise ValueError(f'layers={name!r}: {type(model).__name__} has no such module; {listing}') from error
    entries = list(module) if isinstance(module, CONTAINERS) else []
    if start is not None:
        first, last = int(start or 0), int(stop or len(entries))
        if not first < last <= len(entries):
            raise ValueError(f'layers={name!r}: {path} is a {type(module).__name__} of {len(entries)}; {listing}')
        return [LayerStack(path, tuple(entries[first:last]), first, last - first == len(entries))]
    runs = _runs(path, module) if entries else []
    if len(runs) > 1:
        runs = [run for run in runs if len(run.layers) > 1]
    runs = runs or candidate_stacks(module, path)
    if not runs:
        raise ValueError(f'layers={name!r} is a {type(module).__name__}, neither a list of like blocks nor a module '
                         f'with one inside; {listing}')
    return runs


def _runs(path: str, container: nn.Module) -> list[LayerStack]:
    """Cuts a list wherever two neighbours differ."""
    entries = list(container)
    looks = [(type(entry), [(name, p.shape) for name, p in entry.named_parameters()]) for entry in entries]
    cuts = [0, *(i for i in range(1, len(entries)) if looks[i] != looks[i - 1]), len(entries)]
    return [LayerStack(path, tuple(entries[a:b]), a, b - a == len(entries))
            for a, b in zip(cuts, cuts[1:]) if a < b and looks[a][1]]  # a module without parameters is not a block


def _holds(stack: LayerStack, path: str) -> bool:
    return any(f'{path}.'.startswith(f'{stack.container}.{stack.start + i}.') for i in range(len(stack.layers)))


def _is_block(module: nn.Module) -> bool:
    if isinstance(module, (nn.Linear, nn.ModuleList)):
        return False  # a list of projections or of stages is not a list of blocks
    return any(isinstance(part, (nn.Linear, nn.MultiheadAttention)) or 'attention' in type(part).__name__.lower()
               for part in module.modules())


def _is_bare(module: nn.Module) -> bool:
    return type(module) is nn.Sequential and not any(len(list(part.children())) for part in module)


def _num_parameters(stacks: Sequence[LayerStack]) -> int:
    return sum(p.numel() for stack in stacks for layer in stack.layers for p in layer.parameters())


def _listing(stacks: Sequence[LayerStack]) -> str:
    ranked = sorted(stacks, key=lambda stack: -_num_parameters([stack]))
    return ''.join(f'\n  {stack}' for stack in ranked) or '\n  none'
