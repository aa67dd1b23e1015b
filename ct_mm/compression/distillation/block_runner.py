"""Runs the blocks of a step: compiled, recomputed in the backward pass, or by another kernel."""
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
    """Replaces the ``forward`` of blocks for the duration of a step.

    Blocks are replaced one by one, because the path changes in every step but the blocks do not, so a compiler is done
    after the first few steps. Outside of a step, in copies and in state dicts the blocks are unchanged.

    Args:
        compile: Compile the blocks with ``torch.compile``; ``True`` or its arguments. Blocks of one kind share code.
        checkpoint: Keep only a block's input for the backward pass and recompute the rest there: ``True`` for all
            blocks, or a number n for every n-th, which saves less memory and takes less time.
        onednn: On a CPU, compute linear layers, and attention in bfloat16, with oneDNN, see
            :mod:`ct_mm.engine.onednn`.
        teacher_dtype: Store the weights of the teacher's linear and convolution layers in ``bfloat16`` or ``float16``,
            to which mixed precision of that type casts them in each step anyway.
        targets_dtype: In a float32 training, compute the teacher's targets in mixed precision of ``bfloat16`` or
            ``float16``; the teacher's layers in a path stay in float32. This rounds the targets.
        shard_teacher: In distributed training, let each process keep a part of every teacher block and gather a block
            when it runs, for teachers that leave no room on a device.

    Raises:
        ValueError: If two arguments exclude each other or a value is unknown.
    """

    def __init__(self, compile: bool | dict[str, Any] = False, checkpoint: bool | int = False, onednn: bool = False,
                 teacher_dtype: str | None = None, targets_dtype: str | None = None,
                 shard_teacher: bool = False) -> None:
        if compile and onednn:
            raise ValueError('step: compile and onednn exclude each other; a compiler chooses its own kernels')
        if shard_teacher and (compile or teacher_dtype):
            raise ValueError('step: shard_teacher cannot be combined with compile or teacher_dtype')
        if teacher_dtype and targets_dtype:
            raise ValueError('step: targets_dtype is for trainings in float32, teacher_dtype for mixed precision')
        if checkpoint < 0 or int(checkpoint) != checkpoint:
            raise ValueError(f'step.checkpoint={checkpoint!r} must be True, False, or n to recompute every n-th block')
        self.compile, self.checkpoint, self.onednn, self.shard_teacher = compile, int(checkpoint), onednn, shard_teacher
        self.teacher_dtype = _dtype('teacher_dtype', teacher_dtype)
        self.targets_dtype = _dtype('targets_dtype', targets_dtype)
        self._forward: Any = _forward
        if compile:
            # drop path must draw the same random numbers as without a compiler
            arguments = dict(options=dict(fallback_random=True)) if compile is True else compile
            self._forward = torch.compile(_forward, **{'dynamic': False, **arguments})

    def prepare(self, teacher_blocks: Iterable[nn.Module], student_layers: Iterable[nn.Module]) -> None:
        """Verifies that the blocks can be run in this way.

        Args:
            teacher_blocks: The teacher's blocks, always in eval mode.
            student_layers: The student's layers.

        Raises:
            ValueError: If a layer to be recomputed has a batch norm.
        """
        for module in (m for block in teacher_blocks for m in block.modules() if self.compile):
            if isinstance(getattr(module, 'drop_prob', None), float):
                module.drop_prob = 0.0  # unused in eval mode, but code would be compiled for each rate
        for layer in student_layers if self.checkpoint else ():
            if any(isinstance(module, _BatchNorm) for module in layer.modules()):
                raise ValueError(f'step.checkpoint: {type(layer).__name__} has a batch norm, whose statistics would '
                                 f'count each step twice; remove step.checkpoint')

    def settle_teacher(self, teacher: nn.Module, blocks: Sequence[nn.Module]) -> None:
        """Casts and shards the teacher's weights for the rest of the training.

        Args:
            teacher: The teacher, on its device.
            blocks: Its blocks.

        Raises:
            RuntimeError: If the step does not run in mixed precision of ``teacher_dtype``, as results would change.
        """
        device = next(teacher.parameters()).device.type
        if self.teacher_dtype is not None:
            if not torch.is_autocast_enabled(device) or torch.get_autocast_dtype(device) != self.teacher_dtype:
                raise RuntimeError(f'step.teacher_dtype needs a training in mixed precision of {self.teacher_dtype}: '
                                   f"optim_wrapper = dict(type='ct_mm.AutocastOptimWrapper', ...), or remove it")
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
        """Returns the context in which the teacher runs outside of a step, for any type of its weights."""
        return _precision(teacher, self.teacher_dtype)

    def target_precision(self, teacher: nn.Module) -> AbstractContextManager:
        """Returns the context for the teacher's targets; by default it keeps the precision of the step."""
        return _precision(teacher, self.targets_dtype)

    @contextmanager
    def running(self, blocks: Sequence[nn.Module]) -> Iterator[None]:
        """Runs blocks in this way for as long as the context lasts.

        Args:
            blocks: The blocks of teacher and student.
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
            return checkpoint(self._run, False, forward, *args, use_reentrant=False, **kwargs)
        with by_onednn() if self.onednn else nullcontext():
            return forward(*args, **kwargs)


def _forward(block: nn.Module, *args: Any, **kwargs: Any) -> Any:
    return type(block).forward(block, *args, **kwargs)


def _dtype(name: str, value: str | None) -> torch.dtype | None:
    if value not in (None, 'bfloat16', 'float16'):
        raise ValueError(f"step.{name}={value!r} must be 'bfloat16' or 'float16'")
    return None if value is None else getattr(torch, value)


def _precision(model: nn.Module, dtype: torch.dtype | None) -> AbstractContextManager:
    """Returns mixed precision of a type on the model's device; ``None`` changes nothing."""
    return nullcontext() if dtype is None else torch.autocast(next(model.parameters()).device.type, dtype)
