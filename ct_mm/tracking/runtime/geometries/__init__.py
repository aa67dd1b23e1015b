"""How crops are cut and boxes are placed, as plain data."""
from __future__ import annotations

from typing import Any

from ct_mm.tracking.runtime.fields import build
from ct_mm.tracking.runtime.geometries.context_crops import ContextCrops
from ct_mm.tracking.runtime.geometries.geometry import Geometry, Template
from ct_mm.tracking.runtime.geometries.square_crops import SquareCrops

#: Every kind of geometry that a card can name.
GEOMETRIES = {each.kind: each for each in (ContextCrops, SquareCrops)}


def build_geometry(data: Any) -> Geometry:
    """Builds a geometry from plain data, ``dict(type='square', template_size=..., ...)``.

    Raises:
        ValueError: The data describes no geometry; the message names the value.
    """
    return build(GEOMETRIES, 'geometry', data)


__all__ = ['GEOMETRIES', 'ContextCrops', 'Geometry', 'SquareCrops', 'Template', 'build_geometry']
