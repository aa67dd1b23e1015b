"""The metadata inside an exported tracker file, so that the file is self-contained."""
from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from ct_mm.tracking.runtime.fields import check_choice, check_number, check_whole, shorten
from ct_mm.tracking.runtime.geometries import Geometry, SquareCrops, build_geometry
from ct_mm.tracking.runtime.memories import FixedTemplate, Memory, build_memory

#: Key under which every format stores the card.
CARD_KEY = 'ct_mm'
#: Outputs that every network has.
BOX, SCORE = 'box', 'score'
#: Optional output: the score of the box after the window.
RESPONSE = 'response'
#: Roles of what is made of templates alone.
TEMPLATE_ROLES = ('template', 'templates', 'template_mask')
ROLES = ('search', *TEMPLATE_ROLES, 'carried', 'prepared')
_VERSION = 2
_MAX_LENGTH = 10**5
_MAX_ELEMENTS = 2**28


@dataclass(frozen=True)
class NetworkInput:
    """An input of a network.

    Args:
        name: Its name.
        role: ``search``: the search region (S, S, 3). ``template``: the one template (T, T, 3). ``templates``: several
            (n, T, T, 3). ``template_mask``: their masks (n, G, G). ``carried``: what the output of this name was in the
            frame before, zeros at first. ``prepared``: what the network computes from the templates alone.
        shape: Its shape without the batch; None for a number that varies.
        dtype: ``uint8`` or ``float32``.
    """

    name: str
    role: str
    shape: tuple[int | None, ...]
    dtype: str = 'float32'

    def __post_init__(self) -> None:
        if type(self.name) is not str or not self.name.isidentifier() or len(self.name) > 60:
            raise ValueError(f'the name of an input must be an identifier, not {shorten(self.name)}')
        check_choice(f'role of {self.name}', self.role, ROLES)
        check_choice(f'dtype of {self.name}', self.dtype, ('uint8', 'float32'))
        if type(self.shape) is not tuple or len(self.shape) > 8:
            raise ValueError(f'shape of {self.name} must be at most 8 numbers, not {shorten(self.shape)}')
        elements = 1
        for side in self.shape:
            if side is not None:
                check_whole(f'shape of {self.name}', side, 1, _MAX_ELEMENTS)
                elements *= side
        if elements > _MAX_ELEMENTS:
            raise ValueError(f'shape of {self.name} must have at most {_MAX_ELEMENTS} elements')


@dataclass(frozen=True)
class ModelCard:
    """Metadata for running a network on frames: what it takes, what it returns, and how crops are chosen and cut.

    The network includes normalisation, window and decoding. Its first axis is the batch. It returns ``box`` (B, 4),
    cxcywh normalised to the search region, ``score`` (B, 1) in [0, 1], perhaps ``response`` (B, 1), and more.

    Args:
        tracker: Class name of the tracker.
        inputs: Inputs of the network, in order.
        outputs: Names of its outputs, in order.
        geometry: How crops are cut and boxes are placed.
        memory: Which templates the network sees.
        mean: RGB mean used inside the network, 0..255.
        std: RGB standard deviation used inside the network, 0..255.
        layers: Number of layers, if the network is a stack of layers.
        precision: Format of the stored weights, ``fp32`` or ``int8``.

    Raises:
        ValueError: A value is out of range, or inputs, geometry and memory contradict each other.

    Examples:
        >>> card = ModelCard.of('Still', SquareCrops(128, 256), FixedTemplate())
        >>> [(each.name, each.shape) for each in card.inputs]
        [('template', (128, 128, 3)), ('search', (256, 256, 3))]
        >>> ModelCard.from_json(card.to_json(), 'tracker.onnx') == card
        True
    """

    tracker: str
    inputs: tuple[NetworkInput, ...]
    outputs: tuple[str, ...]
    geometry: Geometry
    memory: Memory
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    layers: int | None = None
    precision: str = 'fp32'

    def __post_init__(self) -> None:
        for name in ('tracker', 'precision'):
            if type(getattr(self, name)) is not str:
                raise ValueError(f'{name} must be a string, not {shorten(getattr(self, name))}')
        if self.layers is not None:
            check_whole('layers', self.layers, 0, 10**6)
        for name, low in (('mean', -1e6), ('std', 1e-6)):
            values = getattr(self, name)
            if type(values) is not tuple or len(values) != 3:
                raise ValueError(f'{name} must be three numbers, not {shorten(values)}')
            for value in values:
                check_number(name, value, low, 1e6)
        names = [each.name for each in self.inputs]
        if len(set(names)) < len(names) or len(set(self.outputs)) < len(self.outputs):
            raise ValueError(f'an input or an output is listed twice: {shorten((names, self.outputs))}')
        for name in (BOX, SCORE, *(each.name for each in self.inputs if each.role in ('carried', 'prepared'))):
            if name not in self.outputs:
                raise ValueError(f'outputs lack {name!r}')
        if getattr(self.memory, 'value', None) == RESPONSE and RESPONSE not in self.outputs:
            raise ValueError("memory.value='response' needs an output of this name; without it, set value='score'")
        expected = {each.role: (each.shape, each.dtype) for each in _images(self.geometry, self.memory)}
        found = {each.role: (each.shape, each.dtype) for each in self.inputs if each.role in _IMAGE_ROLES}
        if found != expected or len(found) != sum(each.role in _IMAGE_ROLES for each in self.inputs):
            raise ValueError(f'inputs {shorten(found)} contradict geometry and memory, which give {shorten(expected)}')

    @classmethod
    def of(cls, tracker: str, geometry: Geometry, memory: Memory, outputs: tuple[str, ...] = (BOX, SCORE),
           more_inputs: tuple[NetworkInput, ...] = (), **values: Any) -> ModelCard:
        """Makes a card whose image inputs follow from geometry and memory.

        Args:
            tracker: As in the class, like ``geometry``, ``memory``, ``outputs`` and ``values``.
            geometry: See above.
            memory: See above.
            outputs: See above.
            more_inputs: Inputs with the roles ``carried`` and ``prepared``.
            **values: See above.
        """
        return cls(tracker, (*_images(geometry, memory), *more_inputs), outputs, geometry, memory, **values)

    @property
    def prepares(self) -> bool:
        """Whether a part of the network runs only when a template changes."""
        return any(each.role == 'prepared' for each in self.inputs)

    def stored_name(self, output: str) -> str:
        """Returns the name of an output inside a file, where it must differ from those of the inputs."""
        return f'{output}_out' if any(each.name == output for each in self.inputs) else output

    def to_json(self) -> str:
        """Serialises the card."""
        return json.dumps(dict(
            version=_VERSION, tracker=self.tracker, inputs=[asdict(each) for each in self.inputs],
            outputs=self.outputs, geometry=self.geometry.to_data(), memory=self.memory.to_data(), mean=self.mean,
            std=self.std, layers=self.layers, precision=self.precision))

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
            read, keys = _READERS.get(version if type(version) is int else None, (None, set()))
            if read is not None and not set(values) - keys:
                return cls(**read(values))
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
            words = f'it lacks {error}' if type(error) is KeyError else str(error)
            raise ValueError(f'{file}: its {CARD_KEY!r} card is damaged ({words}); export the tracker again') from error
        raise ValueError(f'{file} was exported by another version of ct_mm (card version {shorten(version)}, here '
                         f'{_VERSION}); export the tracker again')


_IMAGE_ROLES = ('search', *TEMPLATE_ROLES)


def _images(geometry: Geometry, memory: Memory) -> tuple[NetworkInput, ...]:
    """Returns the image inputs that belong to a geometry and a memory."""
    crop = (geometry.template_size, ) * 2 + (3, )
    one = memory.slots == 1
    inputs = [NetworkInput('template', 'template' if one else 'templates', crop if one else (memory.slots, *crop),
                           geometry.dtype)]
    if geometry.mask_size is not None:
        inputs.append(NetworkInput('template_mask', 'template_mask', (memory.slots, *(geometry.mask_size, ) * 2)))
    inputs.append(NetworkInput('search', 'search', (geometry.search_size, ) * 2 + (3, ), geometry.dtype))
    return tuple(inputs)


def _read(values: dict) -> dict:
    """Returns the arguments of a card from its plain data."""
    inputs = tuple(_read_input(each) for each in _as_tuple('inputs', values['inputs']))
    return dict(values, inputs=inputs, outputs=_names(values['outputs']), geometry=build_geometry(values['geometry']),
                memory=build_memory(values['memory']), mean=_as_tuple('mean', values['mean']),
                std=_as_tuple('std', values['std']))


def _read_input(data: Any) -> NetworkInput:
    if type(data) is not dict or set(data) != {'name', 'role', 'shape', 'dtype'}:
        raise ValueError(f'inputs must be dicts with name, role, shape and dtype, not {shorten(data)}')
    return NetworkInput(**dict(data, shape=_as_tuple('shape', data['shape'])))


def _read_first_version(values: dict) -> dict:
    """Returns the arguments of a card of version 1, which knew one template and square crops."""
    values = {'layers': None, 'precision': 'fp32', 'margin': 10.0, **values}
    geometry = SquareCrops(**{name: values.pop(name) for name in (
        'template_size', 'search_size', 'template_factor', 'search_factor', 'margin')})
    memory = FixedTemplate()
    return dict(values, inputs=_images(geometry, memory), geometry=geometry, memory=memory,
                outputs=(BOX, SCORE, 'score_map', 'size_map', 'offset_map'),
                mean=_as_tuple('mean', values['mean']), std=_as_tuple('std', values['std']))


def _as_tuple(name: str, value: Any) -> tuple:
    if type(value) is not list:
        raise ValueError(f'{name} must be a list, not {shorten(value)}')
    return tuple(value)


def _names(value: Any) -> tuple[str, ...]:
    names = _as_tuple('outputs', value)
    if len(names) > 64 or not all(type(name) is str and name.isidentifier() and len(name) <= 60 for name in names):
        raise ValueError(f'outputs must be identifiers, not {shorten(names)}')
    return names


_COMMON = {'tracker', 'mean', 'std', 'layers', 'precision'}
_SQUARE = {'template_size', 'search_size', 'template_factor', 'search_factor', 'margin'}
#: Reader and keys of each version.
_READERS = {1: (_read_first_version, _COMMON | _SQUARE),
            _VERSION: (_read, _COMMON | {'inputs', 'outputs', 'geometry', 'memory'})}
