"""Finds the list of equal blocks that a transformer consists of."""
from __future__ import annotations

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class LayerStack:
    """A stack of blocks inside a model.

    Args:
        path: Dotted path of the ``nn.ModuleList`` from the model, such as ``backbone.blocks``.
        layers: The list itself.
    """

    path: str
    layers: nn.ModuleList

    @property
    def parent_path(self) -> str:
        """Path of the module that owns the list; empty for the model itself."""
        return self.path.rpartition('.')[0]

    @property
    def name(self) -> str:
        """Name of the list in its owner."""
        return self.path.rpartition('.')[2]

    def __str__(self) -> str:
        return f'{self.path} ({len(self.layers)} x {type(self.layers[0]).__name__})'


def candidate_stacks(model: nn.Module) -> list[LayerStack]:
    """Lists what could be divided: every outermost list of at least two blocks alike.

    Blocks are alike if they are of one class and their parameters have the same names and shapes, and
    they hold an attention or at least a linear layer (a list of plain convolutions is no transformer).

    Args:
        model: Any module.

    Returns:
        The candidates, the one with the most parameters first.
    """
    found: list[LayerStack] = []
    for path, module in model.named_modules():
        inside_another = any(path.startswith(f'{stack.path}.') for stack in found)
        if isinstance(module, nn.ModuleList) and not inside_another and _alike(module):
            found.append(LayerStack(path, module))
    return sorted(found, key=lambda stack: -_num_parameters(stack.layers))


def find_layer_stack(model: nn.Module, path: str | None = None) -> LayerStack:
    """Finds the stack to divide, by its path or, when only one choice is sensible, by itself.

    Args:
        model: Any module.
        path: Dotted path of the list of blocks; ``None`` searches.

    Returns:
        The stack.

    Raises:
        ValueError: If the path leads to no list of blocks, or the model has none, or several of them
            are equally plausible. The message lists the candidates.
    """
    candidates = candidate_stacks(model)
    listing = ''.join(f'\n  {stack}' for stack in candidates) or '\n  none'
    if path is not None:
        try:
            layers = model.get_submodule(path)
        except AttributeError as error:
            raise ValueError(f'layers={path!r}: {type(model).__name__} has no such module; candidates:{listing}') \
                from error
        if not isinstance(layers, nn.ModuleList) or len(layers) < 1:
            raise ValueError(f'layers={path!r} is a {type(layers).__name__}, not a filled nn.ModuleList; '
                             f'candidates:{listing}')
        return LayerStack(path, layers)
    if not candidates:
        raise ValueError(f'{type(model).__name__} has no stack of equal transformer blocks to divide; if it has one '
                         f'under another shape, name it with compress.layers')
    # A stack that holds nearly all block parameters needs no naming; two of a size do.
    total = sum(_num_parameters(stack.layers) for stack in candidates)
    if _num_parameters(candidates[0].layers) < 0.9 * total:
        raise ValueError(f'{type(model).__name__} has several stacks of blocks; choose one with compress.layers:'
                         f'{listing}')
    return candidates[0]


def _alike(layers: nn.ModuleList) -> bool:
    if len(layers) < 2 or len({type(layer) for layer in layers}) > 1:
        return False
    if not any(isinstance(module, (nn.Linear, nn.MultiheadAttention)) for module in layers[0].modules()):
        return False
    if isinstance(layers[0], (nn.Linear, nn.ModuleList)):
        return False  # a list of projections or of stages is not a list of blocks
    shapes = [[(name, p.shape) for name, p in layer.named_parameters()] for layer in layers]
    return bool(shapes[0]) and all(shape == shapes[0] for shape in shapes)


def _num_parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
