"""What a tracker's file says about itself, so that the file alone is enough to track with."""
from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

#: Name under which each format carries the card.
CARD_KEY = 'ct_mm'
#: What every exported network gives, in this order.
OUTPUTS = ('box', 'score', 'score_map', 'size_map', 'offset_map')
_VERSION = 1
_MAX_LENGTH = 10**5


@dataclass(frozen=True)
class ModelCard:
    """Facts that the frames around a network need.

    The network takes ``template`` and ``search``, RGB uint8 (1, S, S, 3), and gives ``box`` (1, 4), cxcywh normalised
    to the search region, read off under the Hann window, ``score`` (1, 1), and the maps the two came from.
    Normalisation and window are inside of the network.

    Args:
        tracker: Class of the tracker that was exported.
        template_size: Side of the template in pixels.
        search_size: Side of the search region in pixels.
        template_factor: Side of the template's crop over the geometric mean of the target's sides.
        search_factor: The same of the search region.
        mean: RGB mean inside of the network, 0..255.
        std: RGB standard deviation inside of the network, 0..255.
        layers: Number of layers, if it has a stack of them.
        precision: ``fp32`` or ``int8``: how the weights are kept.
        margin: Smallest width and height of a box in pixels.
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
        """The card as text."""
        return json.dumps(dict(version=_VERSION, **asdict(self)))

    @classmethod
    def from_json(cls, text: str | None, file: str) -> ModelCard:
        """Reads a card.

        Args:
            text: What the file carries under :data:`CARD_KEY`; None if nothing.
            file: The file, for the error.

        Raises:
            ValueError: The file is none of ours, or of a version that this code does not know.
        """
        if not text:
            raise ValueError(f'{file} is no tracker of ct_mm: it carries no {CARD_KEY!r} card. Export one with '
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
                raise ValueError(f'{name} must be a text, not {_short(getattr(self, name))}')


def _number(value: Any, low: float, high: float) -> bool:
    return type(value) in (int, float) and low <= value <= high  # NaN is in no range


def _whole(value: Any, low: float, high: float) -> bool:
    return type(value) is int and low <= value <= high


def _triple(value: Any, low: float, high: float) -> bool:
    return type(value) is tuple and len(value) == 3 and all(_number(part, low, high) for part in value)


def _short(value: Any) -> str:
    return ascii(value)[:60]
