"""Finds the lists of like blocks that a transformer consists of."""
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mmengine.logging import print_log
from torch import nn

#: A list of blocks inside a module: any of these, or a subclass.
CONTAINERS = (nn.ModuleList, nn.Sequential)


@dataclass(frozen=True)
class LayerStack:
    """A run of like blocks in a list of modules.

    Args:
        container: Dotted path of the ``nn.ModuleList`` or ``nn.Sequential`` from the model, such as
            ``backbone.blocks``.
        layers: The blocks.
        start: Index of the first of them in the list.
        whole: Whether they are all of the list.
    """

    container: str
    layers: tuple[nn.Module, ...]
    start: int = 0
    whole: bool = True

    @property
    def path(self) -> str:
        """How ``compress.layers`` names it: ``backbone.blocks``, or ``backbone.blocks[2:8]`` for a part of a list."""
        return self.container if self.whole else f'{self.container}[{self.start}:{self.start + len(self.layers)}]'

    @property
    def num_parameters(self) -> int:
        """Parameters of all blocks."""
        return sum(p.numel() for layer in self.layers for p in layer.parameters())

    def of(self, model: nn.Module) -> list[nn.Module]:
        """The same blocks of another model of this architecture."""
        return list(model.get_submodule(self.container))[self.start:self.start + len(self.layers)]

    def inside(self, owner: str) -> LayerStack:
        """The same stack as seen from one of its ancestors, whose path is ``owner``."""
        container = self.container[len(owner) + 1:] if owner else self.container
        return LayerStack(container, self.layers, self.start, self.whole)

    def __str__(self) -> str:
        return f'{self.path} ({len(self.layers)} x {type(self.layers[0]).__name__})'


def candidate_stacks(model: nn.Module) -> list[LayerStack]:
    """Lists what could be divided: every outermost run of at least two like blocks.

    Blocks are alike if they are of one class and their parameters have the same names and shapes. They hold an
    attention or at least a linear layer (a list of plain convolutions is no transformer). Bare sequences of layers,
    such as the branches of a detector's head, count only if there is nothing else.

    Args:
        model: Any module.

    Returns:
        The candidates, in the model's order.
    """
    found: list[LayerStack] = []
    for path, module in model.named_modules():
        if isinstance(module, CONTAINERS) and not any(_holds(stack, path) for stack in found):
            found.extend(stack for stack in _runs(path, module) if len(stack.layers) > 1 and _is_block(stack.layers[0]))
    return [stack for stack in found if not _is_bare(stack.layers[0])] or found


def find_layer_stacks(model: nn.Module, layers: str | Sequence[str] | None = None) -> list[LayerStack]:
    """Finds the stacks to divide, by name or, where only one choice is sensible, by itself.

    Args:
        model: Any module.
        layers: Names of stacks. A name is the dotted path of a list of blocks (``'backbone.blocks'``), which is taken
            run by run where its blocks are not alike; a part of a list (``'backbone.blocks[2:8]'``); or the path of any
            module, which stands for all stacks inside it (``'backbone'`` of a hierarchical one). ``None`` searches: the
            stacks of a hierarchical backbone, whose paths differ only in numbers, are one choice.

    Returns:
        The stacks, in the order of the names.

    Raises:
        ValueError: If a name leads to no blocks or two to the same, or the model has no stack, or several of them
            are equally plausible. The message lists the candidates.
    """
    if layers is not None:
        names = [layers] if isinstance(layers, str) else list(layers)
        stacks = [stack for name in names for stack in _named(model, name)]
        places = [(stack.container, stack.start + i) for stack in stacks for i in range(len(stack.layers))]
        if not stacks or len(set(places)) < len(places):
            raise ValueError(f'layers={layers!r} must name each stack once, but means {", ".join(map(str, stacks))}')
        return stacks
    candidates = candidate_stacks(model)
    if not candidates:
        raise ValueError(f'{type(model).__name__} has no stack of equal transformer blocks to divide; if it has one '
                         f'under another shape, name it with compress.layers')
    groups: dict[str, list[LayerStack]] = {}
    for stack in candidates:
        groups.setdefault(re.sub(r'\d+', '*', stack.container), []).append(stack)
    chosen = max(groups.values(), key=_num_parameters)
    # What holds nearly all block parameters needs no naming; two of a size do.
    if _num_parameters(chosen) < 0.9 * _num_parameters(candidates):
        raise ValueError(f'{type(model).__name__} has several stacks of blocks; choose one with compress.layers, or '
                         f'some with a list:{_listing(candidates)}')
    left = [stack for stack in candidates if stack not in chosen]
    print_log(f'{type(model).__name__}: chose to divide {", ".join(map(str, chosen))}'
              f'{"; left alone: " + ", ".join(map(str, left)) if left else ""}', 'current')
    return chosen


def _named(model: nn.Module, name: str) -> list[LayerStack]:
    path, start, stop = re.fullmatch(r'(.*?)(?:\[(\d*):(\d*)\])?', name).groups()
    listing = _listing(candidate_stacks(model))
    try:
        module = model.get_submodule(path)
    except AttributeError as error:
        raise ValueError(f'layers={name!r}: {type(model).__name__} has no such module; candidates:{listing}') from error
    entries = list(module) if isinstance(module, CONTAINERS) else []
    if start is not None:
        first, last = int(start or 0), int(stop or len(entries))
        if not first < last <= len(entries):
            raise ValueError(f'layers={name!r}: {path} is a {type(module).__name__} of {len(entries)}; '
                             f'candidates:{listing}')
        return [LayerStack(path, tuple(entries[first:last]), first, last - first == len(entries))]
    runs = _runs(path, module) if entries else []
    if len(runs) > 1:
        runs = [run for run in runs if len(run.layers) > 1]
    prefix = f'{path}.' if path else ''
    runs = runs or [LayerStack(prefix + stack.container, stack.layers, stack.start, stack.whole)
                    for stack in candidate_stacks(module)]
    if not runs:
        raise ValueError(f'layers={name!r} is a {type(module).__name__} that neither is nor holds a list of like '
                         f'blocks; candidates:{listing}')
    return runs


def _runs(path: str, container: nn.Module) -> list[LayerStack]:
    """Cuts a list where neighbours are not alike."""
    entries = list(container)
    looks = [(type(entry), [(name, p.shape) for name, p in entry.named_parameters()]) for entry in entries]
    cuts = [0, *(i for i in range(1, len(entries)) if looks[i] != looks[i - 1]), len(entries)]
    return [LayerStack(path, tuple(entries[a:b]), a, b - a == len(entries))
            for a, b in zip(cuts, cuts[1:]) if looks[a][1]]  # what has no parameters is no block


def _holds(stack: LayerStack, path: str) -> bool:
    blocks = (f'{stack.container}.{stack.start + i}' for i in range(len(stack.layers)))
    return any(path == block or path.startswith(f'{block}.') for block in blocks)


def _is_block(module: nn.Module) -> bool:
    if isinstance(module, (nn.Linear, nn.ModuleList)):
        return False  # a list of projections or of stages is not a list of blocks
    return any(isinstance(part, (nn.Linear, nn.MultiheadAttention)) or 'attention' in type(part).__name__.lower()
               for part in module.modules())


def _is_bare(module: nn.Module) -> bool:
    return type(module) is nn.Sequential and not any(len(list(part.children())) for part in module)


def _num_parameters(stacks: Sequence[LayerStack]) -> int:
    return sum(stack.num_parameters for stack in stacks)


def _listing(stacks: Sequence[LayerStack]) -> str:
    return ''.join(f'\n  {stack}' for stack in sorted(stacks, key=lambda stack: -stack.num_parameters)) or '\n  none'
