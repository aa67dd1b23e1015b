import pytest
import torch
from torch import nn

from ct_mm.compression.division.pass_through import PassThrough
from ct_mm.engine.flops import count_flops

X, Y = torch.randn(2, 3, 4), torch.randn(2, 5, 4)


class Layer(nn.Module):
    """Returns what a function makes of its arguments."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.drop, self.norm = nn.Dropout(0.5), nn.BatchNorm1d(3)

    def forward(self, *args, **kwargs):
        return self.function(*args, **kwargs)


def found(function, *args, **kwargs):
    rule = PassThrough()
    rule.find([Layer(function)], args, kwargs)
    return rule.returns


def test_a_tensor_stands_for_the_first_tensor_argument_or_the_only_one_of_its_shape():
    assert found(lambda x, mask=None: x + 1, X) == 0
    assert found(lambda memory, query: query + 1, Y, X) == 1
    assert found(lambda hidden_states, mask: hidden_states * 2, hidden_states=X, mask=None) == 'hidden_states'
    assert found(lambda flag, x: x * 2, 'a string', X) == 1


def test_of_a_tuple_each_element_is_none_or_an_argument_itself():
    index = torch.arange(3)
    assert found(lambda x, index: (x + 1, index, None), X, index) == (0, 1, None)
    assert found(lambda x, size, index: [x + 1, size, index], X, (2, 3), index=index) == (0, 1, 'index')
    assert found(lambda x: (x + 1, ), X) == (0, )


@pytest.mark.parametrize('function, args, why', [
    (lambda x: (x, x @ x.transpose(1, 2)), (X, ), 'element 1 is none of its arguments'),
    (lambda x, i: (x, i.clone()), (X, torch.arange(3)), 'element 1 is none of its arguments'),
    (lambda x, a, b: (x, a), (X, 7, 7), 'element 1 is more than one of its arguments'),
    (lambda x: x[:, 1:], (X, ), 'do not have the shape of one tensor argument'),
    (lambda x: dict(x=x), (X, ), 'that kind of return value'), (lambda x: (), (X, ), 'that kind of return value'),
    (lambda a, b, c: b, (Y, X, X), 'do not have the shape of one tensor argument')])
def test_what_is_not_clear_is_an_error_that_names_the_setting(function, args, why):
    with pytest.raises(TypeError, match=f'Layer returns .*{why}.*compress.pass_through'):
        found(function, *args)


def test_a_layer_that_does_not_tell_passes_the_question_on():
    rule = PassThrough()
    rule.find([Layer(lambda x, i: (x[:, 1:], i[1:])), Layer(lambda x, i: (x + 1, i))], (X, torch.arange(3)), {})
    assert rule.returns == (0, 1)


def test_finding_out_leaves_no_trace():
    layer = Layer(None)
    layer.function = lambda x: layer.norm(layer.drop(x.mul_(2)))  # writes into its argument, too
    x, statistics, state = X.clone(), layer.norm.running_mean.clone(), torch.get_rng_state()
    layer.norm.eval()
    rule = PassThrough()
    assert count_flops(lambda: rule.find([layer], (x, ), {})) == 0
    assert torch.equal(x, X) and torch.equal(layer.norm.running_mean, statistics)
    assert torch.equal(torch.get_rng_state(), state)
    assert layer.training and layer.drop.training and not layer.norm.training
    assert torch.is_autocast_cache_enabled()


def test_what_is_handed_on_is_of_the_blocks_kind_of_return_value():
    assert PassThrough(0)((X, Y), {}) is X and PassThrough('y')((X, ), dict(y=Y)) is Y
    out = PassThrough((0, None, 'y'))((X, ), dict(y=Y))
    assert out[0] is X and out[1] is None and out[2] is Y
    rule = PassThrough()
    rule.find([Layer(lambda x: [x + 1])], (X, ), {})
    assert type(rule((X, ), {})) is list
    with pytest.raises(TypeError, match='pass_through=1 names an argument that the block was not given; it has 1'):
        PassThrough(1)((X, ), {})


def test_a_layer_that_returns_something_else_later_is_noticed():
    with pytest.raises(TypeError, match=r'returned a tuple of 2 .* but skipped blocks return compress.pass_through=0'):
        PassThrough(0).check(Layer(None), (X, Y))
    with pytest.raises(TypeError, match='returned a tensor'):
        PassThrough((0, None)).check(Layer(None), X)
