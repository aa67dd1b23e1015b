"""The template of the first frame, for ever."""
from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

from ct_mm.tracking.runtime.fields import check_whole
from ct_mm.tracking.runtime.geometries.geometry import Template


@dataclass(frozen=True)
class FixedTemplate:
    """Shows the first template in every slot; see :class:`Memory`.

    Args:
        slots: Number of templates that the network takes.

    Examples:
        >>> memory = FixedTemplate(slots=2)
        >>> memory.templates(memory.start('first'))
        ('first', 'first')
    """

    slots: int = 1
    kind: ClassVar[str] = 'fixed'

    def __post_init__(self) -> None:
        check_whole('slots', self.slots, 1, 64)

    def start(self, template: Template) -> Template:
        """Returns the template, which is the whole state."""
        return template

    def templates(self, state: Template) -> tuple[Template, ...]:
        """Returns the first template, once for each slot."""
        return (state, ) * self.slots

    def wants(self, state: Template, frame: int, score: float, response: float) -> bool:
        """Returns False."""
        return False

    def update(self, state: Template, frame: int, template: Template | None, score: float,
               response: float) -> Template:
        """Returns the state unchanged."""
        return state

    def to_data(self) -> dict:
        """Returns the memory as plain data."""
        return dict(type=self.kind, **asdict(self))
