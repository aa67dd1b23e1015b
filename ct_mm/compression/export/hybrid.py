"""Hybrids: models along a fixed path, with the student's layers in some stages and the teacher's in the others."""
from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import nn

from ..config_tree import build_model
from ..distillation.replacement_distiller import ReplacementDistiller
from ..division.divided_model import DividedModel
from ..division.tensor_names import copy_shared, named_tensors

#: Which stages the student's layers run.
Path = tuple[bool, ...]


@torch.no_grad()
def build_hybrid(distiller: ReplacementDistiller, config: Mapping, path: Sequence[bool]) -> tuple[nn.Module,
                                                                                                 DividedModel]:
    """Builds the model that a distiller runs along a path, with layers of its own.

    Args:
        distiller: The distiller, whose teacher has weights.
        config: Config of the model that was compressed.
        path: For each stage, whether the student's layers run it.

    Returns:
        The model and its division, in which a stage of the teacher has all its layers. What is outside the stages comes
        from the student.

    Raises:
        ValueError: If the path does not fit the stages, or the teacher has no weights.
    """
    if distiller.unused_teacher_keys is None:
        raise ValueError('the teacher has no weights, so there are no hybrids: call init_weights() first')
    divided, left = distiller.divided, iter(path)
    if len(path) != divided.num_stages:
        raise ValueError(f'path {path_name(path)} has {len(path)} entries for {divided.num_stages} stages')
    paths = [[bool(next(left)) for _ in stack.stages] for stack in divided.stacks]
    model = build_model(config)
    division = DividedModel(model, replace(divided.spec, path=paths), config)
    model.to(next(distiller.student.parameters()).device).eval()
    copy_shared(model, distiller.student)
    for mine, its in zip(division.stacks, divided.stacks):
        mine.rule = its.rule
    by_student = [each for stage, each in zip(divided.stages, path) for _ in stage]
    for slot, trained, block, each in zip(division.slots, divided.slots, divided.blocks_of(distiller.teacher),
                                          by_student):
        slot.rule = trained.rule  # also where a batch shows it only later
        if slot.layer is not None:
            source = dict(named_tensors(trained if each else block))
            for name, tensor in named_tensors(slot if each else slot.layer):
                tensor.copy_(source[name])
    return model, division


def path_name(path: Iterable[bool]) -> str:
    """Writes a path as digits, 1 for the student: ``1011``."""
    return ''.join('01'[bool(each)] for each in path)


def read_path(text: str, num_stages: int) -> Path:
    """Reads a path from digits.

    Examples:
        >>> read_path('1011', 4)
        (True, False, True, True)

    Raises:
        ValueError: If it is not one digit 0 or 1 for each stage.
    """
    if len(text) != num_stages or set(text) - {'0', '1'}:
        raise ValueError(f'path {text!r} must have {num_stages} digits, one for each stage: 1 for the student, 0 for '
                         f'the teacher')
    return tuple(digit == '1' for digit in text)


def hybrid_depth(divided: DividedModel, path: Sequence[bool]) -> int:
    """Counts the layers of the hybrid along a path."""
    counts = [count for stack in divided.stacks for count in stack.plan.layers_per_stage]
    return sum(count if each else len(stage) for stage, count, each in zip(divided.stages, counts, path))


def score_paths(num_stages: int, score: Callable[[Path], float], limit: int = 64) -> dict[Path, float]:
    """Scores all paths, or, if there are more than ``limit``, a greedy chain of them.

    Args:
        num_stages: Stages K.
        score: Scores a path; higher is better.
        limit: Maximum number of paths to score all. The chain starts with the pure student and gives the teacher one
            stage after the other, each time the one with which the score is highest: at most K (K + 1) / 2 + 1 paths.

    Returns:
        Each scored path with its score.

    Examples:
        >>> len(score_paths(4, sum)), len(score_paths(4, sum, limit=8))
        (16, 11)
    """
    if 2 ** num_stages <= limit:
        return {path: score(path) for path in itertools.product((True, False), repeat=num_stages)}
    path = (True, ) * num_stages
    scores = {path: score(path)}
    while any(path):
        step = {(*path[:i], False, *path[i + 1:]): i for i, each in enumerate(path) if each}
        scores.update({each: score(each) for each in step})
        path = max(step, key=scores.__getitem__)
    return scores


def best_of_each_depth(scores: Mapping[Path, float], divided: DividedModel) -> dict[int, Path]:
    """Chooses for each number of layers, in increasing order, the path with the highest score."""
    best: dict[int, Path] = {}
    for path in sorted(scores, key=scores.__getitem__):
        best[hybrid_depth(divided, path)] = path
    return dict(sorted(best.items()))
