"""One place in a divided stack of blocks."""
from __future__ import annotations

from typing import Any

from torch import nn

from .fading import Fading
from .pass_through import PassThrough


class Borrowed:
    """A reference to a module that belongs to another model.

    The module is not registered in its holder: it is not in the holder's state dict or parameters, and train mode does
    not reach it. A deep copy of the holder, as weight averaging makes one, still shares it.

    Args:
        module: The module.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __deepcopy__(self, memo: dict) -> Borrowed:
        return self


class Slot(nn.Module):
    """Takes the place of a block in a stack, and runs the teacher's block, a student's layer or nothing.

    A student's layer of another width has a linear map before it, after it, or both, see
    :mod:`ct_mm.compression.layers.adapter`. An attribute that a slot lacks is read from its layer, since some models
    look at their blocks (``torch.nn.TransformerEncoder`` at ``layers[0].self_attn``).

    Args:
        layer: The student's layer, or ``None`` for a slot that returns its input.
        runner: The slot whose layer replaces this one's block, if it is not this one itself.
        rule: What a skipped block returns, shared by the slots of a stack.
    """

    def __init__(self, layer: nn.Module | None, runner: Slot | None, rule: PassThrough) -> None:
        super().__init__()
        self.layer = layer
        self.enter: nn.Module | None = None
        self.leave: nn.Module | None = None
        self._runner = (runner or self, )  # in a tuple, so that it is not registered as a submodule
        self._teacher_block: Borrowed | None = None
        self.rule = rule
        self.by_student = True
        #: With this, the teacher's block still runs where the student has no layer, fading out.
        self.fading: Fading | None = None

    def lend(self, teacher_block: nn.Module) -> None:
        """Gives the slot the teacher's block, which still belongs to the teacher."""
        self._teacher_block = Borrowed(teacher_block)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Runs as the block would have: same arguments, same kind of return value."""
        if self.by_student:
            return self._skip(args, kwargs) if self.layer is None else self._run(args, kwargs)
        if self._teacher_block is None:
            raise RuntimeError('the path gives this stage to the teacher, but no teacher lent its layers')
        return self._teacher_block.module(*args, **kwargs)

    def _skip(self, args: tuple, kwargs: dict) -> Any:
        if self.fading is not None and self._teacher_block is not None:
            return self.fading(self._teacher_block.module, args, kwargs)
        runner = self._runner[0]
        if callable(getattr(runner.layer, 'pass_through', None)):
            return runner.layer.pass_through(*args, **kwargs)
        if self.rule.returns is None:
            teachers = [] if self._teacher_block is None or runner.enter is not None else [self._teacher_block.module]
            self.rule.find([runner.layer, *teachers], *runner._entered(args, kwargs))
        return self.rule(args, kwargs)

    def _run(self, args: tuple, kwargs: dict) -> Any:
        args, kwargs = self._entered(args, kwargs)
        try:
            output = self.layer(*args, **kwargs)
        except RuntimeError as error:
            if self.enter is None and self.leave is None:
                raise
            raise RuntimeError(f'a student layer of another width failed: {error}. Its tokens are mapped to that '
                               'width, its other arguments are not; keep the width if blocks take several') from error
        self.rule.check(self.layer, output)
        if self.leave is None:
            return output
        return type(output)([self.leave(output[0]), *output[1:]]) if isinstance(output, (tuple, list)) \
            else self.leave(output)

    def _entered(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        """Returns the arguments with the tokens mapped to the layer's width."""
        if self.enter is None:
            return args, kwargs
        stream = self.rule.stream(args, kwargs)
        if isinstance(stream, str):
            return args, {**kwargs, stream: self.enter(kwargs[stream])}
        return tuple(self.enter(value) if i == stream else value for i, value in enumerate(args)), kwargs

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name.startswith('__') or '_runner' not in self.__dict__:
                raise
            lender = self.__dict__['_teacher_block']
            return getattr(self._runner[0].layer if self.by_student or lender is None else lender.module, name)
