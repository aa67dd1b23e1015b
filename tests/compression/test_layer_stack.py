import pytest
from torch import nn

from ct_mm.compression.layer_stack import candidate_stacks, find_layer_stacks
from ct_mm.registry import MODELS


def blocks(count, width=8):
    return nn.ModuleList(nn.TransformerEncoderLayer(width, 2, 2 * width, batch_first=True) for _ in range(count))


class Holder(nn.Module):

    def __init__(self, **modules):
        super().__init__()
        for name, module in modules.items():
            setattr(self, name, module)


def test_finds_the_blocks_of_a_tracker_by_itself(tracker_cfg):
    stack, = find_layer_stacks(MODELS.build(tracker_cfg()))
    assert (stack.path, stack.inside('backbone').path) == ('backbone.blocks', 'blocks')
    assert len(stack.layers) == 6


def test_a_named_stack_wins(tracker_cfg):
    model = Holder(encoder=Holder(layers=blocks(4)), decoder=Holder(layers=blocks(3)))
    assert len(find_layer_stacks(model, 'decoder.layers')[0].layers) == 3


def test_several_stacks_are_listed_not_guessed():
    model = Holder(encoder=Holder(layers=blocks(4)), decoder=Holder(layers=blocks(4)))
    with pytest.raises(ValueError, match='choose one with compress.layers') as error:
        find_layer_stacks(model)
    assert 'encoder.layers (4 x TransformerEncoderLayer)' in str(error.value)
    assert 'decoder.layers (4 x TransformerEncoderLayer)' in str(error.value)


def test_a_model_without_a_stack_is_refused():
    convs = nn.ModuleList(nn.Sequential(nn.Conv2d(3, 3, 1)) for _ in range(5))
    with pytest.raises(ValueError, match='no stack of equal transformer blocks'):
        find_layer_stacks(Holder(stages=convs, head=nn.Linear(3, 3)))


def test_blocks_of_unequal_shape_are_no_stack():
    assert candidate_stacks(Holder(layers=nn.ModuleList([*blocks(1, 8), *blocks(1, 16)]))) == []


@pytest.mark.parametrize('path', ['encoder.blocks', 'head'])
def test_a_wrong_path_lists_the_candidates(path):
    model = Holder(encoder=Holder(layers=blocks(4)), head=nn.Linear(2, 2))
    with pytest.raises(ValueError, match=r'encoder\.layers \(4 x'):
        find_layer_stacks(model, path)
