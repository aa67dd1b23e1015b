"""Loads a teacher completely or not at all."""
from __future__ import annotations

from torch import Tensor, nn


def load_teacher(model: nn.Module, state: dict[str, Tensor], file: str) -> list[str]:
    """Loads a teacher completely or not at all.

    Args:
        model: The teacher.
        state: Weights by name.
        file: Their file, for the error.

    Returns:
        Names in the file that the model has no place for.

    Raises:
        ValueError: If a weight is missing or has another shape.
    """
    own = model.state_dict()
    missing = [name for name in own if name not in state]
    misfits = [
        f'{name}: {tuple(state[name].shape)} in the file, {tuple(value.shape)} in the model'
        for name, value in own.items() if name in state and state[name].shape != value.shape
    ]
    unused = [name for name in state if name not in own]
    if missing or misfits:
        lines = [f'teacher {file} does not fit the model: of {len(own)} entries {len(missing)} are missing '
                 f'and {len(misfits)} have another shape; {len(unused)} of the file were not asked for. '
                 f'compress.teacher must be a checkpoint of the very model that is compressed.']
        lines += [f'  another shape: {line}' for line in misfits[:5]]
        lines += [f'  missing: {name}' for name in missing[:5]]
        lines += [f'  not asked for: {name}' for name in unused[:5]]
        raise ValueError('\n'.join(lines))
    # not strict: what a model leaves out of its own state dict, it misses there
    model.load_state_dict({name: state[name] for name in own}, strict=False)
    return unused
