"""Takes the part of an ONNX file that some of its outputs need, without the onnx package.

ONNX Runtime computes a whole graph in every call, so a network that is called in parts is loaded in parts.

References:
    onnx.proto3 (numbers of the fields); https://protobuf.dev/programming-guides/encoding.
"""
from __future__ import annotations

from collections.abc import Collection, Iterator

#: Fields of ModelProto, GraphProto, NodeProto, ValueInfoProto and TensorProto.
_GRAPH, _NODE, _INITIALIZER, _INPUT, _OUTPUT = 7, 1, 5, 11, 12
_NODE_INPUT, _NODE_OUTPUT, _VALUE_NAME, _TENSOR_NAME = 1, 2, 1, 8


def onnx_part(model: bytes, outputs: Collection[str]) -> bytes:
    """Returns a model with some of the outputs, and only the nodes, weights and inputs that these need.

    Args:
        model: Content of an ``.onnx`` file.
        outputs: Names of the outputs to keep.

    Raises:
        ValueError: The content is damaged, or an output is missing.
    """
    kept = [(_GRAPH, _part(field[1], set(outputs)), None) if field[0] == _GRAPH else field for field in _fields(model)]
    return b''.join(map(_encoded, kept))


def _part(graph: memoryview, outputs: set[str]) -> bytes:
    fields = list(_fields(graph))
    given = {name for number, value, _ in fields if number == _OUTPUT for name in _strings(value, _VALUE_NAME)}
    if not outputs <= given:
        raise ValueError(f'the graph has no output {sorted(outputs - given)}')
    needed, nodes = set(outputs), set()
    for place in range(len(fields) - 1, -1, -1):  # nodes are in the order in which they run
        number, value, _ = fields[place]
        if number == _NODE and needed & set(_strings(value, _NODE_OUTPUT)):
            nodes.add(place)
            needed.update(_strings(value, _NODE_INPUT))
    names = {_INITIALIZER: _TENSOR_NAME, _INPUT: _VALUE_NAME}

    def is_needed(place: int) -> bool:
        number, value, _ = fields[place]
        if number == _NODE:
            return place in nodes
        if number == _OUTPUT:
            return bool(outputs & set(_strings(value, _VALUE_NAME)))
        return number not in names or bool(needed & set(_strings(value, names[number])))

    return b''.join(_encoded(field) for place, field in enumerate(fields) if is_needed(place))


def _fields(message: bytes | memoryview) -> Iterator[tuple[int, memoryview | bytes, bytes | None]]:
    """Yields number, content and, unless it has a length of its own, the whole encoding of each field."""
    view, place = memoryview(message), 0
    while place < len(view):
        start = place
        key, place = _varint(view, place)
        kind = key & 7
        if kind == 2:
            length, place = _varint(view, place)
            content, place = view[place:place + length], place + length
            if place > len(view):
                raise ValueError('a field is longer than its message')
            yield key >> 3, content, None
            continue
        if kind == 0:
            place = _varint(view, place)[1]
        elif kind in (1, 5):
            place += 8 if kind == 1 else 4
        else:
            raise ValueError(f'a field has the unknown type {kind}')
        yield key >> 3, b'', bytes(view[start:place])


def _strings(message: memoryview, wanted: int) -> list[str]:
    return [bytes(content).decode() for number, content, whole in _fields(message)
            if number == wanted and whole is None]


def _encoded(field: tuple[int, memoryview | bytes, bytes | None]) -> bytes:
    number, content, whole = field
    return whole if whole is not None else b''.join([_number(number << 3 | 2), _number(len(content)), content])


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _varint(view: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(view):
            break
        byte = view[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
    raise ValueError('a number is cut off')
