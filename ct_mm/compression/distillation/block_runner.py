"""How the blocks of a step are run: compiled, recomputed in the backward pass, by another kernel."""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from mmengine.dist import get_world_size
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from ct_mm.engine.onednn import by_onednn, pack_weights
from ct_mm.settings import checked


@checked
class BlockRunner:
    """Exchanges the ``forward`` of blocks for the length of a step; before and after they are as they were.

    Block by block, because the path changes every step: whatever the path, the blocks are the same, so a compiler is
    done after the first few steps. Nothing stays on a block, so copies, state dicts and everything outside of a step,
    evaluation included, know nothing of it.

    Args:
        compile: Compile the blocks with ``torch.compile``, ``True`` or its arguments. Blocks of one kind share code.
        checkpoint: Keep only the input of a block for the backward pass, and compute the rest of it again there:
            ``True`` for all blocks, a number n for every n-th, which saves less memory and costs less time.
        onednn: On a CPU, compute linear layers, and attention in bfloat16, by oneDNN, see :mod:`ct_mm.engine.onednn`.
        teacher_dtype: Keep the weights of the teacher's linear and convolution layers in ``bfloat16`` or ``float16``,
            which mixed precision of that type makes of them in each step anyway.
        targets_dtype: Compute the teacher's targets in mixed precision of ``bfloat16`` or ``float16`` in a training
            that is in float32 otherwise; the teacher's layers in a path stay in float32. It rounds the targets.
        shard_teacher: In distributed training, let each process keep its part of every teacher block and gather a block
            when it runs, for teachers that leave no room on a device.

    Raises:
        ValueError: If two that exclude each other are asked for, or the type is another one.
    """

    def __init__(self, compile: bool | dict[str, Any] = False, checkpoint: bool | int = False, onednn: bool = False,
                 teacher_dtype: str | None = None, targets_dtype: str | None = None,
                 shard_teacher: bool = False) -> None:
        if compile and onednn:
            raise ValueError('step: compile and onednn exclude each other; a compiler chooses its own kernels')
        if shard_teacher and (compile or teacher_dtype):
            raise ValueError('step: shard_teacher goes with neither compile nor teacher_dtype')
        if checkpoint < 0 or int(checkpoint) != checkpoint:
            raise ValueError(f'step.checkpoint={checkpoint!r} must be True, False or how many blocks there are to each '
                             'that is computed again')
        for name, dtype in (('teacher_dtype', teacher_dtype), ('targets_dtype', targets_dtype)):
            if dtype not in (None, 'bfloat16', 'float16'):
                raise ValueError(f"step.{name}={dtype!r} must be 'bfloat16' or 'float16'")
        if teacher_dtype and targets_dtype:
            raise ValueError('step: targets_dtype is for trainings in float32, teacher_dtype for mixed precision')
        self.compile, self.checkpoint, self.onednn = compile, int(checkpoint), onednn
        self.teacher_dtype = None if teacher_dtype is None else getattr(torch, teacher_dtype)
        self.targets_dtype = None if targets_dtype is None else getattr(torch, targets_dtype)
        self.shard_teacher = shard_teacher
        self._forward: Any = _forward
        if compile:
            # the random numbers of drop path are to be those that it draws without a compiler
            arguments = dict(options=dict(fallback_random=True)) if compile is True else compile
            self._forward = torch.compile(_forward, **{'dynamic': False, **arguments})

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

    def settle_teacher(self, teacher: nn.Module, blocks: Sequence[nn.Module]) -> None:
        """Brings the teacher's weights to where, and in what, they are kept from the first step on.

        Args:
            teacher: The teacher, on its device.
            blocks: Its blocks.

        Raises:
            RuntimeError: If the step does not run in mixed precision of ``teacher_dtype``: results would change.
        """
        device = next(teacher.parameters()).device.type
        if self.teacher_dtype is not None:
            if not torch.is_autocast_enabled(device) or torch.get_autocast_dtype(device) != self.teacher_dtype:
                raise RuntimeError(f'step.teacher_dtype needs a training in mixed precision of {self.teacher_dtype}: '
                                   f"optim_wrapper = dict(type='ct_mm.AutocastOptimWrapper', ...), or leave it out")
            for module in teacher.modules():
                if type(module) in (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d):
                    for parameter in module.parameters(recurse=False):
                        parameter.data = parameter.data.to(self.teacher_dtype)
            if self.onednn:
                pack_weights(teacher)
        if self.shard_teacher and get_world_size() > 1:
            mesh = init_device_mesh(device, (get_world_size(), ))
            for block in blocks:
                if not isinstance(block, FSDPModule):
                    fully_shard(block, mesh=mesh, reshard_after_forward=True)

    def teacher_precision(self, teacher: nn.Module) -> AbstractContextManager:
        """Lets the teacher run outside of a step, whatever its weights are kept in."""
        return _precision(teacher, self.teacher_dtype)

    def target_precision(self, teacher: nn.Module) -> AbstractContextManager:
        """What the teacher's targets are computed in: what the step is in, if nothing else was asked for."""
        return _precision(teacher, self.targets_dtype)

    @contextmanager
    def running(self, blocks: Sequence[nn.Module]) -> Iterator[None]:
        """Runs blocks in this way for as long as the context lasts.

        Args:
            blocks: The teacher's and the student's.
        """
        if not (self.compile or self.checkpoint or self.onednn):
            yield
            return
        limit = torch._dynamo.config.patch(recompile_limit=8 * len(blocks)) if self.compile else nullcontext()
        before = [block.__dict__.get('forward') for block in blocks]
        try:
            with limit:
                for place, (block, own) in enumerate(zip(blocks, before)):
                    twice = self.checkpoint > 0 and place % self.checkpoint == 0
                    block.forward = partial(self._run, twice, own or partial(self._forward, block))
                yield
        finally:
            for block, own in zip(blocks, before):
                block.__dict__.pop('forward', None)
                if own is not None:
                    block.forward = own

    def _run(self, twice: bool, forward: Any, *args: Any, **kwargs: Any) -> Any:
        if twice and torch.is_grad_enabled():
            return checkpoint(self._computed, forward, *args, use_reentrant=False, **kwargs)
        return self._computed(forward, *args, **kwargs)

    def _computed(self, forward: Any, *args: Any, **kwargs: Any) -> Any:
        with by_onednn() if self.onednn else nullcontext():
            return forward(*args, **kwargs)


def _forward(block: nn.Module, *args: Any, **kwargs: Any) -> Any:
    return type(block).forward(block, *args, **kwargs)


def _precision(model: nn.Module, dtype: torch.dtype | None) -> AbstractContextManager:
    """Mixed precision of a type where the model is; ``None`` leaves it at what it is."""
    return nullcontext() if dtype is None else torch.autocast(next(model.parameters()).device.type, dtype)
