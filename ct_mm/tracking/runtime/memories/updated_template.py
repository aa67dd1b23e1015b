"""A few templates, of which one is exchanged from time to time."""
from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar, NamedTuple

from ct_mm.tracking.runtime.fields import check_choice, check_number, check_whole
from ct_mm.tracking.runtime.geometries.geometry import Template


class _State(NamedTuple):
    shown: tuple[Template, ...]
    first: Template
    candidate: Template  # the one to show after the interval
    best: float  # its value, -1 if it is the first template


@dataclass(frozen=True)
class UpdatedTemplate:
    """Adds a template after every interval and removes the oldest one; see :class:`Memory`.

    Args:
        slots: Number of templates that the network takes. At the start, all are the first.
        interval: Number of frames after which a template may be added.
        threshold: The value that a frame must exceed.
        value: What is compared: ``'score'``, or ``'response'``, the score after the window.
        choose: ``'last'``: the interval's last frame is added if it exceeds the threshold (SUTrack, arXiv 2412.19138).
            ``'best'``: its best frame is added, or the first template if none exceeds the threshold (MixFormerV2,
            arXiv 2305.15896).
        keep_first: Whether the first template always stays. Otherwise it may be the oldest.

    Raises:
        ValueError: A value is out of range.

    Examples:
        >>> memory = UpdatedTemplate(slots=2, interval=2, threshold=0.5)
        >>> state = memory.start('first')
        >>> for frame in (1, 2):
        ...     state = memory.update(state, frame, f'frame {frame}', 0.9, 0.9) if memory.wants(
        ...         state, frame, 0.9, 0.9) else memory.update(state, frame, None, 0.9, 0.9)
        >>> memory.templates(state)
        ('first', 'frame 2')
    """

    slots: int = 2
    interval: int = 25
    threshold: float = 0.7
    value: str = 'response'
    choose: str = 'last'
    keep_first: bool = True
    kind: ClassVar[str] = 'updated'

    def __post_init__(self) -> None:
        check_whole('slots', self.slots, 1 + self.keep_first, 64)
        check_whole('interval', self.interval, 1, 10**9)
        check_number('threshold', self.threshold, -1, 1)
        check_choice('value', self.value, ('response', 'score'))
        check_choice('choose', self.choose, ('last', 'best'))
        check_choice('keep_first', self.keep_first, (True, False))

    def start(self, template: Template) -> _State:
        """Returns a state that shows the first template in every slot."""
        return _State((template, ) * self.slots, template, template, -1.0)

    def templates(self, state: _State) -> tuple[Template, ...]:
        """Returns the templates, the first one first and the newest last."""
        return state.shown

    def wants(self, state: _State, frame: int, score: float, response: float) -> bool:
        """Returns whether this frame may be shown later."""
        value = response if self.value == 'response' else score
        if self.choose == 'last':
            return frame % self.interval == 0 and value > self.threshold
        return value > self.threshold and value > state.best

    def update(self, state: _State, frame: int, template: Template | None, score: float, response: float) -> _State:
        """Returns the state after a frame."""
        if template is not None:
            state = state._replace(candidate=template, best=response if self.value == 'response' else score)
        if frame % self.interval or (self.choose == 'last' and template is None):
            return state
        kept = list(state.shown)
        kept.pop(int(self.keep_first))
        return _State((*kept, state.candidate), state.first, state.first, -1.0)

    def to_data(self) -> dict:
        """Returns the memory as plain data."""
        return dict(type=self.kind, **asdict(self))
