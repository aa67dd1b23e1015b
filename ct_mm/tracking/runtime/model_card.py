"""The metadata inside an exported tracker file, so that the file is self-contained."""
from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

#: Key under which every format stores the card.
CARD_KEY = 'ct_mm'
#: Outputs of every exported network, in this order.
OUTPUTS = ('box', 'score', 'score_map', 'size_map', 'offset_map')
_VERSION = 1
_MAX_LENGTH = 10**5


@dataclass(frozen=True)
class ModelCard:
    """Metadata for running an exported network on frames.

    The network takes ``template`` and ``search``, RGB uint8 (1, S, S, 3). It returns ``box`` (1, 4), cxcywh normalised
    to the search region, ``score`` (1, 1), and the maps from which both are read under a Hann window. The network
    includes the normalisation and the window.

    Args:
        tracker: Class name of the exported tracker.
        template_size: Side of the template in pixels.
        search_size: Side of the search region in pixels.
        template_factor: Side of the template crop divided by the geometric mean of the target's sides.
        search_factor: The same ratio for the search region.
        mean: RGB mean used inside the network, 0..255.
        std: RGB standard deviation used inside the network, 0..255.
        layers: Number of layers, if the network is a stack of layers.
        precision: Format of the stored weights, ``fp32`` or ``int8``.
        margin: Minimum width and height of a box in pixels.

    Examples:
        >>> card = ModelCard('OSTrack', 128, 256, 2.0, 4.0, (123.7, 116.3, 103.5), (58.4, 57.1, 57.4))
        >>> ModelCard.from_json(card.to_json(), 'tracker.onnx') == card
        True
    """

    tracker: str
    template_size: int
    search_size: int
    template_factor: float
    search_factor: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    layers: int | None = None
    precision: str = 'fp32'
    margin: float = 10.0

    def to_json(self) -> str:
        """Serialises the card."""
        return json.dumps(dict(version=_VERSION, **asdict(self)))

    @classmethod
    def from_json(cls, text: str | None, file: str) -> ModelCard:
        """Parses a card.

        Args:
            text: The text that the file stores under :data:`CARD_KEY`, or None.
            file: Name of the file, for error messages.

        Raises:
            ValueError: If the file is not a ct_mm tracker, its card is damaged, or its version is unsupported.
        """
        if not text:
            raise ValueError(f'{file} is not a ct_mm tracker: it has no {CARD_KEY!r} card. Export a tracker with '
                             'tools/deployment/export.py')
        try:
            if len(text) > _MAX_LENGTH:
                raise ValueError(f'it has {len(text)} characters')
            values = json.loads(text)
            version = values.pop('version')
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise ValueError(f'{file}: its {CARD_KEY!r} card is damaged ({error}); export the tracker again') from error
        known = {field.name for field in fields(cls)}
        if version != _VERSION or set(values) - known:
            raise ValueError(f'{file} was exported by another version of ct_mm (card version {_short(version)}, here '
                             f'{_VERSION}); export the tracker again')
        try:
            card = cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})
            card._check()
        except (TypeError, ValueError) as error:
            raise ValueError(f'{file}: its {CARD_KEY!r} card is damaged ({error}); export the tracker again') from error
        return card

    def _check(self) -> None:
        rules = {
            **dict.fromkeys(('template_size', 'search_size'), (_whole, 1, 2048, 'a whole number of pixels')),
            **dict.fromkeys(('template_factor', 'search_factor'), (_number, 1e-3, 1e3, 'a number')),
            'margin': (_number, 0, 1e6, 'a number'),
            'mean': (_triple, -1e6, 1e6, 'three numbers'),
            'std': (_triple, 1e-6, 1e6, 'three numbers'),
        }
        for name, (kind, low, high, words) in rules.items():
            value = getattr(self, name)
            if not kind(value, low, high):
                raise ValueError(f'{name} must be {words} from {low:g} to {high:g}, not {_short(value)}')
        if self.layers is not None and not _whole(self.layers, 0, 10**6):
            raise ValueError(f'layers must be a whole number or null, not {_short(self.layers)}')
        for name in ('tracker', 'precision'):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f'{name} must be a string, not {_short(getattr(self, name))}')


def _number(value: Any, low: float, high: float) -> bool:
    return type(value) in (int, float) and low <= value <= high  # False for NaN


def _whole(value: Any, low: float, high: float) -> bool:
    return type(value) is int and low <= value <= high


def _triple(value: Any, low: float, high: float) -> bool:
    return type(value) is tuple and len(value) == 3 and all(_number(part, low, high) for part in value)


def _short(value: Any) -> str:
    return ascii(value)[:60]
