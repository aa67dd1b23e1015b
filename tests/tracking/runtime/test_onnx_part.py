"""A part of an ONNX file, taken without the onnx package."""
import pytest

from ct_mm.tracking.runtime.sessions.onnx_part import onnx_part

onnx = pytest.importorskip('onnx')


@pytest.fixture
def model():
    """Two paths that share nothing: a = x + w, b = -(y)."""
    from onnx import TensorProto, helper
    values = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in 'xyab'}
    nodes = [helper.make_node('Add', ['x', 'w'], ['a']), helper.make_node('Neg', ['y'], ['m']),
             helper.make_node('Identity', ['m'], ['b'])]
    graph = helper.make_graph(nodes, 'two', [values['x'], values['y']], [values['a'], values['b']],
                              [helper.make_tensor('w', TensorProto.FLOAT, [1], [2.0])])
    return helper.make_model(graph, producer_name='test').SerializeToString()


@pytest.mark.parametrize('output, inputs, nodes, weights', [('a', ['x'], ['Add'], ['w']),
                                                            ('b', ['y'], ['Neg', 'Identity'], [])])
def test_only_what_an_output_needs_is_kept(model, output, inputs, nodes, weights):
    part = onnx.load_model_from_string(onnx_part(model, {output}))
    onnx.checker.check_model(part)
    assert [each.name for each in part.graph.output] == [output] and part.producer_name == 'test'
    assert [each.name for each in part.graph.input] == inputs
    assert [each.op_type for each in part.graph.node] == nodes
    assert [each.name for each in part.graph.initializer] == weights


def test_all_outputs_are_the_whole_model(model):
    assert onnx.load_model_from_string(onnx_part(model, {'a', 'b'})) == onnx.load_model_from_string(model)


def test_a_damaged_file_or_a_missing_output_is_an_error(model):
    with pytest.raises(ValueError, match='no output'):
        onnx_part(model, {'c'})
    for length in range(1, len(model) - 1, 7):
        try:
            onnx_part(model[:length], {'a'})
        except ValueError:
            continue
