"""Compares the record of a compression with that of the plain training."""
from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isclose, isnan
from typing import Any

from .rows import Row


@dataclass
class Outcome:
    """What was found for a row.

    Args:
        library: The library.
        config: The shipped config.
        parameters: Trained parameters of the student that were compared.
        rates: Different learning rates among them.
        decays: Different weight decays among them.
        constructor: What built the optimizer.
        images: Steps whose images and labels were equal.
        ema: What averages the weights; empty if nothing.
        scores: Names of the scores of the validation.
        exported: Class of the exported model.
        differences: What differs although it should not; empty if all is well.
    """

    library: str
    config: str
    parameters: int
    rates: int
    decays: int
    constructor: str
    images: int
    ema: str
    scores: list[str]
    exported: str
    differences: list[str]


def compare(row: Row, plain: Mapping, compressed: Mapping, student: str, tested: Mapping[str, float]) -> Outcome:
    """Compares two records.

    Args:
        row: The row.
        plain: Record of the plain training.
        compressed: Record of the compression.
        student: Text of the exported config.
        tested: Scores of the exported student, as its library's own test script reports them.

    Returns:
        The outcome.
    """
    found: list[str] = []
    for moment in ('optimizer', 'optimizer_at_the_end'):
        found += _compare_groups(moment, plain[moment], compressed[moment])
    for name, trained in compressed['trained'].items():
        if plain['trained'].get(name) != trained:
            found.append(f'{name} is {"trained" if trained else "frozen"}, but not in the plain training')
    if plain['images'] != compressed['images'] or not plain['images']:
        found.append(f'images: {plain["images"]} and {compressed["images"]}')
    averages = [[{key: value for key, value in hook.items() if key != 'names'} for hook in record['ema']]
                for record in (plain, compressed)]
    if averages[0] != averages[1]:
        found.append(f'averages of weights: {averages[0]} and {averages[1]}')
    for ours, theirs in zip(compressed['ema'], plain['ema']):
        if unknown := set(ours['names']) - set(theirs['names']):
            found.append(f'averaged, but not in the plain training: {sorted(unknown)[:3]}')
    if plain['scores'].keys() != compressed['scores'].keys() or not plain['scores']:
        found.append(f'scores: {sorted(plain["scores"])} and {sorted(compressed["scores"])}')
    for name, value in compressed['scores'].items():
        again = tested.get(name, float('nan'))
        if not (isnan(value) and isnan(again)) and not isclose(value, again, rel_tol=1e-3, abs_tol=1e-3):
            found.append(f'{name} of the exported student is {again}, but was {value} in its training')
    if re.search(r"""['"]ct_mm(\.|:|['"])""", student):  # or it is part of a path
        found.append('the exported config names ct_mm')
    config = _read(student)
    groups = compressed['optimizer'].values()
    return Outcome(
        row.library, row.config, len(groups), len({group['lr'] for group in groups}),
        len({group['weight_decay'] for group in groups}),
        str(config['optim_wrapper'].get('constructor', 'DefaultOptimWrapperConstructor')),
        len(compressed['images']), ', '.join(hook['average'] for hook in compressed['ema']),
        sorted(compressed['scores']), str(config['model']['type']), found)


def _compare_groups(moment: str, plain: Mapping, compressed: Mapping) -> list[str]:
    found = [f'{moment}: the plain training has no {name}' for name in sorted(compressed.keys() - plain.keys())[:3]]
    for name in compressed.keys() & plain.keys():
        differing = {key for key in {**plain[name], **compressed[name]}
                     if plain[name].get(key) != compressed[name].get(key)}
        found += [f'{moment}: {key} of {name} is {compressed[name].get(key)} instead of {plain[name].get(key)}'
                  for key in differing]
    return found[:5]


def _read(text: str) -> dict[str, Any]:
    """Reads the values of an exported config, which is flat, without running it."""
    def value(node: ast.AST) -> Any:
        if isinstance(node, ast.Call):
            return {key.arg: value(key.value) for key in node.keywords}
        return ast.unparse(node) if not isinstance(node, ast.Constant) else node.value

    return {node.targets[0].id: value(node.value) for node in ast.parse(text).body if isinstance(node, ast.Assign)}
