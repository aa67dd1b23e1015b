"""Which templates a network sees in which frame, as plain data."""
from __future__ import annotations

from typing import Any

from ct_mm.tracking.runtime.fields import build
from ct_mm.tracking.runtime.memories.fixed_template import FixedTemplate
from ct_mm.tracking.runtime.memories.memory import Memory
from ct_mm.tracking.runtime.memories.sampled_memory import SampledMemory
from ct_mm.tracking.runtime.memories.updated_template import UpdatedTemplate

#: Every kind of memory that a card can name.
MEMORIES = {each.kind: each for each in (FixedTemplate, UpdatedTemplate, SampledMemory)}


def build_memory(data: Any) -> Memory:
    """Builds a memory from plain data, ``dict(type='updated', slots=2, ...)``.

    Raises:
        ValueError: The data describes no memory; the message names the value.
    """
    return build(MEMORIES, 'memory', data)


__all__ = ['MEMORIES', 'FixedTemplate', 'Memory', 'SampledMemory', 'UpdatedTemplate', 'build_memory']
