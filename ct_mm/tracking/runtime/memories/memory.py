"""What every memory offers: which templates the network sees in which frame."""
from __future__ import annotations

from typing import Any, Protocol

from ct_mm.tracking.runtime.geometries.geometry import Template


class Memory(Protocol):
    """A rule for templates. The rule has no state; ``start`` returns that of one target.

    ``slots`` is the number of templates that ``templates`` returns, or None if it varies.
    """

    kind: str
    slots: int | None

    def start(self, template: Template) -> Any:
        """Returns the state of a new target, given the template of its first frame."""

    def templates(self, state: Any) -> tuple[Template, ...]:
        """Returns the templates for the next frame."""

    def wants(self, state: Any, frame: int, score: float, response: float) -> bool:
        """Returns whether to cut a template around the box that was found.

        Args:
            state: State of the target.
            frame: Number of the tracked frame; the first one after the start is 1.
            score: Score of the box in [0, 1].
            response: The score after the window.
        """

    def update(self, state: Any, frame: int, template: Template | None, score: float, response: float) -> Any:
        """Returns the state after a frame, given the template that was cut if ``wants`` asked for it."""

    def to_data(self) -> dict:
        """Returns the memory as plain data, for the card of an exported file."""
