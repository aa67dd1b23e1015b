"""What a file says about itself."""
import json
import re

import pytest

from ct_mm.tracking.runtime.geometries import SquareCrops
from ct_mm.tracking.runtime.memories import FixedTemplate, SampledMemory, UpdatedTemplate
from ct_mm.tracking.runtime.model_card import ModelCard, NetworkInput

CARD = ModelCard.of(
    'Tracker', SquareCrops(128, 256, mask_cell=16), UpdatedTemplate(), ('box', 'score', 'response', 'token'),
    (NetworkInput('token', 'carried', (1, 32)), ), mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375),
    layers=4, precision='int8')
#: What files of the first version say.
FIRST = dict(version=1, tracker='OSTrack', template_size=128, search_size=256, template_factor=2.0, search_factor=4.0,
             mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], layers=4, precision='int8', margin=2.0)


def test_a_card_survives_its_text():
    assert ModelCard.from_json(CARD.to_json(), 'a.onnx') == CARD
    plain = ModelCard.of('OSTrack', SquareCrops(128, 256), SampledMemory(), mean=(1, 2, 3))
    assert ModelCard.from_json(plain.to_json(), 'a.onnx') == plain and plain.layers is None


def test_a_card_of_the_first_version_is_one_template_and_square_crops():
    card = ModelCard.from_json(json.dumps(FIRST), 'a.onnx')
    assert card.geometry == SquareCrops(128, 256, 2.0, 4.0, 2.0) and card.memory == FixedTemplate()
    assert [(each.name, each.role, each.shape, each.dtype) for each in card.inputs] == [
        ('template', 'template', (128, 128, 3), 'uint8'), ('search', 'search', (256, 256, 3), 'uint8')]
    assert card.outputs == ('box', 'score', 'score_map', 'size_map', 'offset_map')
    assert (card.layers, card.precision, card.std) == (4, 'int8', (58.395, 57.12, 57.375))
    del FIRST_WITHOUT['margin'], FIRST_WITHOUT['layers'], FIRST_WITHOUT['precision']
    assert ModelCard.from_json(json.dumps(FIRST_WITHOUT), 'a.onnx').geometry.margin == 10


FIRST_WITHOUT = dict(FIRST)


@pytest.mark.parametrize('text', [None, ''])
def test_a_file_without_a_card_is_none_of_ours(text):
    with pytest.raises(ValueError, match='b.onnx is not a ct_mm tracker: .*export.py'):
        ModelCard.from_json(text, 'b.onnx')


@pytest.mark.parametrize('text', ['{', '[]', '3', '"text"', '{"tracker": "OSTrack"}', 'null'])
def test_a_damaged_card_names_the_file(text):
    with pytest.raises(ValueError, match='b.onnx: .* card is damaged .*export the tracker again'):
        ModelCard.from_json(text, 'b.onnx')


@pytest.mark.parametrize('values, key', [(FIRST, 'search_size'), (json.loads(CARD.to_json()), 'geometry'),
                                         (json.loads(CARD.to_json()), 'mean')])
def test_a_card_that_lacks_something_is_damaged(values, key):
    values = {name: value for name, value in values.items() if name != key}
    with pytest.raises(ValueError, match=f'b.onnx: .* card is damaged .*{key}'):
        ModelCard.from_json(json.dumps(values), 'b.onnx')


@pytest.mark.parametrize('change', [dict(version=3), dict(memory_frames=3), dict(version=True), dict(version='2')])
def test_a_card_of_another_version_is_not_guessed_at(change):
    text = json.dumps({**json.loads(CARD.to_json()), **change})
    with pytest.raises(ValueError, match='b.onnx was exported by another version of ct_mm'):
        ModelCard.from_json(text, 'b.onnx')


@pytest.mark.parametrize(('field', 'value'), [
    ('template_size', '128'), ('template_size', -1), ('search_size', 10**9), ('search_size', True),
    ('search_size', 256.0), ('search_size', 0), ('search_size', None),
    ('template_factor', float('inf')), ('search_factor', float('nan')),
    ('search_factor', '4'), ('search_factor', 0), ('search_factor', -2.0), ('margin', float('-inf')), ('margin', [1]),
    ('mean', [1, 2]), ('mean', 3), ('mean', ['a', 'b', 'c']), ('std', [1, 0, 1]), ('std', [1, float('nan'), 1]),
    ('layers', 'four'), ('layers', -1), ('layers', False), ('tracker', 3), ('precision', None), ('precision', {})])
def test_a_value_that_cannot_be_is_named_with_its_file(field, value):
    text = json.dumps({**FIRST, field: value})
    with pytest.raises(ValueError, match=rf"b\.onnx: its 'ct_mm' card is damaged \({field} must be "):
        ModelCard.from_json(text, 'b.onnx')


@pytest.mark.parametrize('path, value, words', [
    ('geometry', 3, 'geometry must be a dict'), ('geometry', dict(type='round'), 'one of context, square'),
    ('geometry.template_size', 130, 'mask_cell=16 does not divide'), ('geometry.search_size', 512, 'contradict'),
    ('geometry.margin', None, 'margin must be'), ('geometry.mask_cell', 0, 'mask_cell must be'),
    ('geometry.mask_cell', None, 'contradict'), ('geometry.colour', 1, 'colour'),
    ('memory', [], 'memory must be a dict'), ('memory.type', ['updated'], 'memory must be a dict'),
    ('memory.slots', 3, 'contradict'), ('memory.slots', 10**9, 'slots must be'),
    ('memory.interval', 0, 'interval must be'),
    ('memory.threshold', 'high', 'threshold must be'), ('memory.value', 'size', 'value must be one of'),
    ('memory.choose', 1, 'choose must be one of'), ('memory.keep_first', 1, 'keep_first must be one of'),
    ('inputs', {}, 'inputs must be a list'), ('inputs', [], 'contradict'), ('inputs.0', 3, 'inputs must be dicts'),
    ('inputs.0.name', 'a/b', 'identifier'), ('inputs.0.role', 'other', 'role of template must be one of'),
    ('inputs.0.shape', [2, 128, 128], 'contradict'),
    ('inputs.0.shape', [2, 128, 128, 3.0], 'shape of template must be'),
    ('inputs.0.dtype', 'float64', 'dtype of template must be one of'),
    ('inputs.2.name', 'template', 'listed twice'),
    ('inputs.3.shape', [10**6, 10**6], 'at most'), ('inputs.3.shape', [1] * 9, 'at most 8 numbers'),
    ('inputs.3.shape', '1', 'shape must be a list'), ('inputs.3.name', 'other', "outputs lack 'other'"),
    ('outputs', 'box', 'outputs must be a list'), ('outputs', ['box', 'token'], "outputs lack 'score'"),
    ('outputs', ['box', 'score', 'token', 'box'], 'listed twice'),
    ('outputs', ['box', 'score', 'token', ''], 'identifiers')])
def test_a_damaged_card_of_this_version_is_named_with_its_file(path, value, words):
    values = json.loads(CARD.to_json())
    *outer, last = [int(part) if part.isdigit() else part for part in path.split('.')]
    inner = values
    for part in outer:
        inner = inner[part]
    inner[last] = value
    with pytest.raises(ValueError, match=rf"b\.onnx: its 'ct_mm' card is damaged .*{re.escape(words)}"):
        ModelCard.from_json(json.dumps(values), 'b.onnx')


@pytest.mark.parametrize('text', ['[' * 50000, '{"a":' * 20000, '"' + 'x' * 10**6 + '"', '1' * 5000, '\ud800'])
def test_a_text_that_is_no_card_is_damaged(text):
    with pytest.raises(ValueError, match=r"b\.onnx: its 'ct_mm' card is damaged .{0,200}$"):
        ModelCard.from_json(text, 'b.onnx')
