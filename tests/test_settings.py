"""Arguments that are checked against the annotations of what takes them."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from ct_mm.registry import HOOKS, MODELS, TRANSFORMS
from ct_mm.settings import checked


@checked
class Taker:
    """Takes one of each."""

    def __init__(self, count: int = 1, ratio: float = 0.5, on: bool = False, name: str | None = None,
                 sizes: Sequence[int] | None = None, pair: tuple[int, float] = (1, 1.0), part: dict | None = None,
                 more: Mapping[str, int] | None = None, anything: Any = None) -> None:
        self.given = count, ratio, on, name, sizes, pair, part, more, anything


@pytest.mark.parametrize('name, value', [
    ('count', True), ('count', 2.5), ('count', '4'), ('count', None), ('ratio', True), ('ratio', float('nan')),
    ('ratio', '1'), ('on', 1), ('on', 'yes'), ('on', None), ('name', 3), ('name', ['a']), ('sizes', 3), ('sizes', '12'),
    ('sizes', [1, True]), ('sizes', [[1]]), ('pair', (1, )), ('pair', (1.5, 1)), ('part', 4), ('part', [1]),
    ('more', dict(a='x')),
])
def test_another_type_is_refused_with_name_value_and_what_it_must_be(name, value):
    with pytest.raises(ValueError, match=rf'^Taker: {name}=.* must be '):
        Taker(**{name: value})


@pytest.mark.parametrize('name, value', [
    ('count', np.int64(3)), ('ratio', 1), ('ratio', np.float32(0.5)), ('ratio', float('inf')), ('name', None),
    ('sizes', (1, 2)), ('sizes', []), ('pair', [1, 2]), ('part', None), ('part', {}), ('more', dict(a=1)),
    ('anything', True), ('part', object()),
])
def test_what_fits_is_taken(name, value):
    assert any(given is value for given in Taker(**{name: value}).given)


def test_positional_arguments_count_too_and_near_names_are_shown():
    with pytest.raises(ValueError, match="Taker: count='a' must be int"):
        Taker('a')
    with pytest.raises(ValueError, match='Taker: cuont is unknown; did you mean count'):
        Taker(cuont=2)


@pytest.mark.parametrize('registry, config, message', [
    (TRANSFORMS, dict(type='ct_mm.CropPair', template_size='big'), "CropPair: template_size='big' must be int"),
    (TRANSFORMS, dict(type='ct_mm.CropPair', tempate_size=32), 'tempate_size is unknown; did you mean template_size'),
    (HOOKS, dict(type='ct_mm.StepSeedHook', seed=-1), 'seed=-1 must be a finite number of at least 0'),
    (MODELS, dict(type='ct_mm.OneStreamViT', depth=True), 'depth=True must be int'),
    *((MODELS, dict(type=f'ct_mm.{loss}', loss_weight=weight, **more), rf'{loss}: loss_weight={weight} must be')
      for weight in (-1, float('nan'), float('inf')) for loss, more in (
          ('FeatureMimicLoss', {}), ('OutputGuidanceLoss', dict(loss='l1')), ('PredictionGuidanceLoss', dict(terms=[])),
          ('GIoULoss', {}), ('BoxL1Loss', {}), ('GaussianFocalLoss', {}))),
])
def test_whatever_a_config_can_name_is_checked(registry, config, message):
    with pytest.raises(ValueError, match=message):
        registry.build(config)
