"""What a file says about itself."""
import json

import pytest

from ct_mm.tracking.runtime.model_card import ModelCard

CARD = ModelCard('OSTrack', 128, 256, 2.0, 4.0, (123.675, 116.28, 103.53), (58.395, 57.12, 57.375), 4, 'int8')


def test_a_card_survives_its_text():
    assert ModelCard.from_json(CARD.to_json(), 'a.onnx') == CARD
    plain = ModelCard('OSTrack', 128, 256, 2.0, 4.0, (1, 2, 3), (1, 2, 3))
    assert ModelCard.from_json(plain.to_json(), 'a.onnx') == plain and plain.layers is None


@pytest.mark.parametrize('text', [None, ''])
def test_a_file_without_a_card_is_none_of_ours(text):
    with pytest.raises(ValueError, match='b.onnx is not a ct_mm tracker: .*export.py'):
        ModelCard.from_json(text, 'b.onnx')


@pytest.mark.parametrize('text', ['{', '[]', '3', '"text"', '{"tracker": "OSTrack"}', 'null'])
def test_a_damaged_card_names_the_file(text):
    with pytest.raises(ValueError, match='b.onnx: .* card is damaged .*export the tracker again'):
        ModelCard.from_json(text, 'b.onnx')


def test_a_card_that_lacks_something_is_damaged():
    values = json.loads(CARD.to_json())
    del values['search_size']
    with pytest.raises(ValueError, match='b.onnx: .* card is damaged .*search_size'):
        ModelCard.from_json(json.dumps(values), 'b.onnx')


@pytest.mark.parametrize('change', [dict(version=2), dict(memory_frames=3)])
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
    text = json.dumps({**json.loads(CARD.to_json()), field: value})
    with pytest.raises(ValueError, match=rf"b\.onnx: its 'ct_mm' card is damaged \({field} must be "):
        ModelCard.from_json(text, 'b.onnx')


@pytest.mark.parametrize('text', ['[' * 50000, '{"a":' * 20000, '"' + 'x' * 10**6 + '"', '1' * 5000, '\ud800'])
def test_a_text_that_is_no_card_is_damaged(text):
    with pytest.raises(ValueError, match=r"b\.onnx: its 'ct_mm' card is damaged .{0,200}$"):
        ModelCard.from_json(text, 'b.onnx')
