"""Templates of all frames, of which some are shown, evenly spread over the past."""
from __future__ import annotations

import bisect
from dataclasses import asdict, dataclass
from typing import ClassVar, NamedTuple

from ct_mm.tracking.runtime.fields import check_whole
from ct_mm.tracking.runtime.geometries.geometry import Template


class _State(NamedTuple):
    count: int  # templates seen, kept or not
    indices: tuple[int, ...]  # of those that are kept, rising
    kept: tuple[Template, ...]


@dataclass(frozen=True)
class SampledMemory:
    """Keeps a template of every frame and shows the first one and the middle of each part of the past.

    See :class:`Memory`. Source: ODTrack, arXiv 2401.01686, and its authors' code.

    Args:
        number: Number of parts. Up to frame ``number`` all templates are shown, later ``number`` or one more.
        limit: Number of templates to keep. Once there are more, those whose neighbours in time are nearest are
            forgotten, and the nearest one kept stands in. None, the published rule, keeps all: memory then grows with
            every frame.

    Raises:
        ValueError: A value is out of range.

    Examples:
        >>> memory = SampledMemory(number=3)
        >>> [memory.indices(count) for count in (1, 3, 6, 9)]
        [(0,), (0, 1, 2), (0, 1, 3, 5), (0, 1, 4, 7)]
    """

    number: int = 3
    limit: int | None = 128
    kind: ClassVar[str] = 'sampled'
    slots: ClassVar[None] = None

    def __post_init__(self) -> None:
        check_whole('number', self.number, 1, 64)
        if self.limit is not None:
            check_whole('limit', self.limit, self.number + 1, 10**6)

    def indices(self, count: int) -> tuple[int, ...]:
        """Returns which of ``count`` templates the published rule shows, rising."""
        if count <= self.number:
            return tuple(range(count))
        if self.number == 1:
            return (0, )
        part = count // self.number
        return tuple(sorted({0, *(j * part + part // 2 for j in range(self.number))}))

    def start(self, template: Template) -> _State:
        """Returns a state that keeps the first template."""
        return _State(1, (0, ), (template, ))

    def templates(self, state: _State) -> tuple[Template, ...]:
        """Returns the templates to show, oldest first."""
        nearest = sorted({self._nearest(state.indices, index) for index in self.indices(state.count)})
        return tuple(state.kept[place] for place in nearest)

    @staticmethod
    def _nearest(indices: tuple[int, ...], wanted: int) -> int:
        place = bisect.bisect_left(indices, wanted)
        around = [p for p in (place - 1, place) if 0 <= p < len(indices)]
        return min(around, key=lambda p: abs(indices[p] - wanted))

    def wants(self, state: _State, frame: int, score: float, response: float) -> bool:
        """Returns True, however poor the score."""
        return True

    def update(self, state: _State, frame: int, template: Template | None, score: float, response: float) -> _State:
        """Returns the state with one template more, and without the one least missed if there are too many."""
        if template is None:
            return state
        indices, kept = [*state.indices, state.count], [*state.kept, template]
        if self.limit is not None and len(kept) > self.limit:
            # never the first or the newest
            least = min(range(1, len(indices) - 1), key=lambda p: indices[p + 1] - indices[p - 1])
            del indices[least], kept[least]
        return _State(state.count + 1, tuple(indices), tuple(kept))

    def to_data(self) -> dict:
        """Returns the memory as plain data."""
        return dict(type=self.kind, **asdict(self))
