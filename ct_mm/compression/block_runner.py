"""How the blocks of a step are run: compiled, recomputed in the backward pass, by another kernel."""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from ct_mm.onednn import linear_by_onednn


class BlockRunner:
    """Exchanges the ``forward`` of blocks for the length of a step; before and after they are as they were.

    Block by block, because the path changes every step: whatever the path, the blocks are the same, so a compiler is
    done after the first few steps. Nothing stays on a block, so copies, state dicts and everything outside of a step,
    evaluation included, know nothing of it.

    Args:
        compile: Compile the blocks with ``torch.compile``, ``True`` or its arguments. Blocks of one kind share code.
        checkpoint: Keep only the input of a block for the backward pass, and compute the rest of it again there.
        onednn: Compute linear layers in float32 on a CPU by oneDNN, see :mod:`ct_mm.onednn`.

    Raises:
        ValueError: If ``compile`` and ``onednn`` are both asked for.
    """

    def __init__(self, compile: bool | dict[str, Any] = False, checkpoint: bool = False, onednn: bool = False) -> None:
        if compile and onednn:
            raise ValueError('step: compile and onednn exclude each other; a compiler chooses its own kernels')
        self.compile, self.checkpoint, self.onednn = compile, checkpoint, onednn
        self._forward: Any = _forward
        if compile:
            self._forward = torch.compile(_forward, **{'dynamic': False, **(compile if compile is not True else {})})

    def prepare(self, teacher_blocks: Iterable[nn.Module], student_layers: Iterable[nn.Module]) -> None:
        """Makes sure that the blocks can be run in this way.

        Args:
            teacher_blocks: The teacher's, for ever in eval mode.
            student_layers: The student's.

        Raises:
            ValueError: If a layer to be computed twice counts statistics.
        """
        for module in (m for block in teacher_blocks for m in block.modules() if self.compile):
            if isinstance(getattr(module, 'drop_prob', None), float):
                module.drop_prob = 0.0  # it drops nothing in eval mode, but code would be compiled for each rate
        for layer in student_layers if self.checkpoint else ():
            if any(isinstance(module, _BatchNorm) for module in layer.modules()):
                raise ValueError(f'step.checkpoint: {type(layer).__name__} has a batch norm, whose statistics would '
                                 f'count each step twice; leave it out')

    @contextmanager
    def running(self, blocks: Sequence[nn.Module]) -> Iterator[None]:
        """Runs blocks in this way for as long as the context lasts.

        Args:
            blocks: The teacher's and the student's.
        """
        if not (self.compile or self.compile == {} or self.checkpoint or self.onednn):
            yield
            return
        limit = torch._dynamo.config.patch(recompile_limit=8 * len(blocks)) if self.compile else nullcontext()
        before = [block.__dict__.get('forward') for block in blocks]
        try:
            with limit:
                for block, own in zip(blocks, before):
                    block.forward = partial(self._run, own or partial(self._forward, block))
                yield
        finally:
            for block, own in zip(blocks, before):
                block.__dict__.pop('forward', None)
                if own is not None:
                    block.forward = own

    def _run(self, forward: Any, *args: Any, **kwargs: Any) -> Any:
        if self.checkpoint and torch.is_grad_enabled():
            return checkpoint(self._computed, forward, *args, use_reentrant=False, **kwargs)
        return self._computed(forward, *args, **kwargs)

    def _computed(self, forward: Any, *args: Any, **kwargs: Any) -> Any:
        with linear_by_onednn() if self.onednn else nullcontext():
            return forward(*args, **kwargs)


def _forward(block: nn.Module, *args: Any, **kwargs: Any) -> Any:
    return type(block).forward(block, *args, **kwargs)
