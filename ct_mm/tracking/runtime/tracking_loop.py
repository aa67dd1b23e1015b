"""The one tracking loop: crop, network, place, remember."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ct_mm.tracking.runtime.geometries import Template
from ct_mm.tracking.runtime.geometry import check_frame, check_target
from ct_mm.tracking.runtime.model_card import BOX, RESPONSE, SCORE
from ct_mm.tracking.runtime.sessions.session import Session


@dataclass
class TrackState:
    """All that is known of one target.

    Args:
        box: (4,) xywh in pixels, around which the next frame is searched.
        size: Height and width of the frames.
        anchor: What the geometry keeps of the first frame.
        memory: State of the memory.
        carried: Arrays that pass from frame to frame, by name, each with a batch of one.
        frame: Number of tracked frames.
    """

    box: np.ndarray
    size: tuple[int, int]
    anchor: Any
    memory: Any
    carried: dict[str, np.ndarray] = field(default_factory=dict)
    frame: int = 0
    _shown: tuple[Template, ...] = ()
    _inputs: dict[str, np.ndarray] = field(default_factory=dict)  # made of the templates in _shown


class TrackResult(NamedTuple):
    """What was found in a frame.

    Args:
        box: (4,) float64 xywh in pixels.
        score: In [0, 1].
        response: The score after the window; the score itself where the network has no window.
    """

    box: np.ndarray
    score: float
    response: float


class TrackingLoop:
    """Tracks any number of targets with one network, whatever runs it. The loop itself has no state.

    Args:
        session: The network.

    Examples:
        >>> from ct_mm.tracking.runtime.geometries import SquareCrops
        >>> from ct_mm.tracking.runtime.memories import FixedTemplate
        >>> from ct_mm.tracking.runtime.model_card import ModelCard
        >>> class Still:
        ...     card, precision, batched = ModelCard.of('Still', SquareCrops(8, 16), FixedTemplate()), 'fp32', False
        ...     def __call__(self, inputs, outputs):
        ...         return dict(box=np.array([[0.5, 0.5, 0.25, 0.25]]), score=np.array([[0.9]]))
        >>> loop, image = TrackingLoop(Still()), np.zeros((90, 120, 3), np.uint8)
        >>> state = loop.start(image, np.array([30, 20, 40, 40]))
        >>> loop.step(state, image).box.tolist()
        [30.0, 20.0, 40.0, 40.0]
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        card = session.card
        self._geometry, self._memory = card.geometry, card.memory
        self._carried = [each for each in card.inputs if each.role == 'carried']
        self._prepares = any(each.role == 'prepared' for each in card.inputs)
        self._wanted = [BOX, SCORE, *([RESPONSE] if RESPONSE in card.outputs else []),
                        *(each.name for each in self._carried)]

    def start(self, image: np.ndarray, box: np.ndarray) -> TrackState:
        """Starts on a target.

        Args:
            image: First frame, RGB uint8 (H, W, 3).
            box: The target in it, (4,) xywh in pixels.

        Raises:
            ValueError: If the image has another type or shape, or the box has no area or lies outside the image.
        """
        check_frame(image)
        box = check_target(box, image.shape[:2])
        anchor = self._geometry.start(image)
        template = self._geometry.template(image, box, anchor)
        carried = {each.name: np.zeros((1, *each.shape), each.dtype) for each in self._carried}
        state = TrackState(box, image.shape[:2], anchor, self._memory.start(template), carried)
        self._show_templates(state)  # what the network prepares of them belongs to the start, not to the first frame
        return state

    def step(self, state: TrackState, image: np.ndarray) -> TrackResult:
        """Finds a target in the next frame and updates its state.

        Args:
            state: State of the target.
            image: RGB uint8 (H, W, 3), of the same size as the first frame.

        Raises:
            ValueError: If the image has another type, shape or size, or the network returns no finite numbers.
        """
        return self.step_all([state], image)[0]

    def step_all(self, states: Sequence[TrackState], image: np.ndarray) -> list[TrackResult]:
        """Finds several targets in the next frame, in one call of the network if it takes a batch.

        Args:
            states: State of each target.
            image: RGB uint8 (H, W, 3), of the same size as the first frame.

        Raises:
            ValueError: As :meth:`step`.
        """
        inputs, placements = [], []
        for state in states:
            check_frame(image, state.size)
            crop, placement = self._geometry.search(image, state.box, state.anchor)
            inputs.append(self.inputs(state, crop))
            placements.append(placement)
        return [self._finish(state, image, placement, outputs)
                for state, placement, outputs in zip(states, placements, self._run(inputs))]

    def outputs(self, state: TrackState, image: np.ndarray) -> dict[str, np.ndarray]:
        """Returns what the network puts out for the next frame; the state does not change."""
        return self._run([self.inputs(state, self._geometry.search(image, state.box, state.anchor)[0])])[0]

    def locate(self, state: TrackState, crop: np.ndarray) -> tuple[np.ndarray, float]:
        """Finds the target in a search region without changing the state.

        Args:
            state: State of the target.
            crop: The search region (S, S, 3).

        Returns:
            The box (4,), cxcywh normalised to the search region, and the score in [0, 1].
        """
        outputs = self._run([self.inputs(state, crop)])[0]
        return outputs[BOX][0], float(outputs[SCORE][0, 0])

    def inputs(self, state: TrackState, crop: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the inputs of the network for one target and a search region (S, S, 3), with a batch of one."""
        self._show_templates(state)
        return {**state._inputs, 'search': crop[None], **state.carried}

    def _show_templates(self, state: TrackState) -> None:
        shown = self._memory.templates(state.memory)
        if len(shown) != len(state._shown) or any(a is not b for a, b in zip(shown, state._shown)):
            state._shown, state._inputs = shown, self._template_inputs(shown)

    def _template_inputs(self, shown: tuple[Template, ...]) -> dict[str, np.ndarray]:
        images = np.stack([template.image for template in shown])  # (n, T, T, 3)
        inputs = dict(template=images if self._memory.slots == 1 else np.stack([images]))
        if shown[0].mask is not None:
            inputs['template_mask'] = np.stack([[template.mask for template in shown]])
        return self.session.prepare(inputs) if self._prepares else inputs

    def _run(self, inputs: list[dict[str, np.ndarray]]) -> list[dict[str, np.ndarray]]:
        """Runs the network for each target; together where it takes a batch and all have equal shapes."""
        alike = len({tuple(value.shape for value in each.values()) for each in inputs}) == 1
        if len(inputs) == 1 or not (self.session.batched and alike):
            return [self._checked(self.session(each, self._wanted)) for each in inputs]
        stacked = {name: np.concatenate([each[name] for each in inputs]) for name in inputs[0]}
        outputs = self._checked(self.session(stacked, self._wanted))
        return [{name: value[i:i + 1] for name, value in outputs.items()} for i in range(len(inputs))]

    def _checked(self, outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        for name in self._wanted:
            if not np.isfinite(outputs[name]).all():
                values = np.array2string(outputs[name], threshold=16)
                raise ValueError(f'the network puts out NaN or infinity ({name} {values}): its weights are damaged, or '
                                 'its precision is too low for them')
        return outputs

    def _finish(self, state: TrackState, image: np.ndarray, placement: Any,
                outputs: dict[str, np.ndarray]) -> TrackResult:
        """Places the box, and shows the frame to the memory."""
        box, state.box = self._geometry.place(outputs[BOX][0], placement, state.size)
        score = float(outputs[SCORE][0, 0])
        response = float(outputs[RESPONSE][0, 0]) if RESPONSE in outputs else score
        state.carried = {name: outputs[name] for name in state.carried}
        state.frame += 1
        template = None
        if self._memory.wants(state.memory, state.frame, score, response):
            template = self._geometry.template(image, state.box, state.anchor)
        state.memory = self._memory.update(state.memory, state.frame, template, score, response)
        return TrackResult(box.copy(), score, response)
