"""One place in a divided stack of blocks."""
from __future__ import annotations

from typing import Any, Sequence

from torch import Tensor, nn


class Borrowed:
    """A reference to a module that belongs to another model.

    It is no submodule of its holder: not in its state dict, its parameters or its train mode, and a
    deep copy of the holder (as weight averaging makes) keeps sharing it.

    Args:
        module: The module.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __deepcopy__(self, memo: dict) -> Borrowed:
        return self


def pass_through(args: tuple, kwargs: dict, returns: Sequence[int | None] | None) -> Any:
    """What a block that changes nothing would return.

    Args:
        args: Positional arguments of the block.
        kwargs: Keyword arguments of the block.
        returns: For a block that returns a tuple, one entry for each element: the index of the
            positional argument that it hands on, or ``None`` for an element that is ``None``.
            ``None`` as a whole stands for a block that returns a single tensor.

    Returns:
        The first tensor argument, or the tuple.

    Raises:
        TypeError: If there is no tensor argument or no such index.
    """
    if returns is None:
        for value in (*args, *kwargs.values()):
            if isinstance(value, Tensor):
                return value
        raise TypeError('a block was called without any tensor argument, so there is nothing to pass through')
    values = (*args, *kwargs.values())
    if any(index is not None and index >= len(values) for index in returns):
        raise TypeError(f'compress.pass_through={tuple(returns)} names an argument that the block was not given; '
                        f'it has {len(values)}')
    return tuple(None if index is None else values[index] for index in returns)


class Slot(nn.Module):
    """Stands in a stack where a block stood, and runs the teacher's block, the student's layer or nothing.

    Reading an attribute that a slot lacks reads its layer's, since some models look at their blocks
    (``torch.nn.TransformerEncoder`` at ``layers[0].self_attn``).

    Args:
        stage_layer: The student's layer of this stage.
        is_last: Whether this is the last slot of its stage, the one that runs ``stage_layer``.
        returns: See :func:`pass_through`.
    """

    def __init__(self, stage_layer: nn.Module, is_last: bool, returns: Sequence[int | None] | None = None) -> None:
        super().__init__()
        self.layer = stage_layer if is_last else None
        self._stage_layer = (stage_layer, )  # in a tuple, lest every slot of the stage register it
        self._teacher_block: Borrowed | None = None
        self.returns = returns
        self.by_student = True

    def lend(self, teacher_block: nn.Module) -> None:
        """Hands the slot the teacher's block, which stays the teacher's."""
        self._teacher_block = Borrowed(teacher_block)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Runs as the block would have: same arguments, same kind of return value."""
        if not self.by_student:
            if self._teacher_block is None:
                raise RuntimeError('the path gives this stage to the teacher, but no teacher lent its layers')
            return self._teacher_block.module(*args, **kwargs)
        if self.layer is None:
            return pass_through(args, kwargs, self.returns)
        output = self.layer(*args, **kwargs)
        if isinstance(output, tuple) and self.returns is None:
            raise TypeError(
                f'{type(self.layer).__name__} returns a tuple of {len(output)}; say with compress.pass_through what '
                f'a skipped block hands on, e.g. (0, None) for its first argument and None')
        return output

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name.startswith('__') or '_stage_layer' not in self.__dict__:
                raise
            lender = self.__dict__['_teacher_block']
            read_from = self._stage_layer[0] if self.by_student or lender is None else lender.module
            return getattr(read_from, name)
