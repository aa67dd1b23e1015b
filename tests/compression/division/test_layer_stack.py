import pytest
from torch import nn

from ct_mm.compression.division.layer_stack import candidate_stacks, find_layer_stacks
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


def stages(*depths):
    return nn.ModuleList(Holder(blocks=blocks(depth, 8 << i), down=nn.Linear(8 << i, 16 << i))
                         for i, depth in enumerate(depths))


def names(stacks):
    return [stack.path for stack in stacks]


def test_the_stacks_of_a_hierarchy_are_one_choice():
    model = Holder(backbone=Holder(stages=stages(2, 1, 4)), head=nn.Linear(4, 4))
    assert names(find_layer_stacks(model)) == ['backbone.stages.0.blocks', 'backbone.stages.2.blocks']
    assert names(find_layer_stacks(model, 'backbone')) == names(find_layer_stacks(model))
    assert names(find_layer_stacks(model, ['backbone.stages.2', 'backbone.stages.1.blocks'])) == [
        'backbone.stages.2.blocks', 'backbone.stages.1.blocks'], 'named, one block is enough'


def test_a_list_of_unlike_blocks_is_taken_run_by_run():
    model = Holder(blocks=nn.ModuleList([*blocks(3), nn.Linear(8, 16), *blocks(4, 16)]))
    assert names(find_layer_stacks(model)) == ['blocks[0:3]', 'blocks[4:8]']
    assert names(find_layer_stacks(model, 'blocks')) == ['blocks[0:3]', 'blocks[4:8]']
    stack, = find_layer_stacks(model, 'blocks[5:8]')
    assert (stack.container, stack.start, len(stack.layers), stack.whole) == ('blocks', 5, 3, False)
    assert stack.of(model) == list(model.blocks)[5:8]


def test_a_sequence_of_blocks_is_a_stack_and_the_layers_of_an_mlp_are_none():
    model = Holder(blocks=nn.Sequential(*blocks(3)), mlp=nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.ReLU()))
    assert names(candidate_stacks(model)) == ['blocks']


def test_branches_of_a_head_count_only_if_there_is_nothing_else():
    branches = nn.ModuleList(nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4)) for _ in range(6))
    assert names(find_layer_stacks(Holder(decoder=Holder(layers=blocks(2)), branches=branches))) == ['decoder.layers']
    assert names(find_layer_stacks(Holder(branches=branches))) == ['branches']


def test_the_choice_is_logged_with_what_is_left_alone(monkeypatch):
    lines = []
    monkeypatch.setattr('ct_mm.compression.division.layer_stack.print_log', lambda text, *_: lines.append(text))
    find_layer_stacks(Holder(blocks=blocks(20, 16), extra=Holder(layers=blocks(2, 8))))
    assert lines == ['Holder: chose to divide blocks (20 x TransformerEncoderLayer); left alone: '
                     'extra.layers (2 x TransformerEncoderLayer)']


@pytest.mark.parametrize('layers, message', [
    (['encoder.layers', 'encoder'], 'must name each stack once'), ([], 'must name each stack once'),
    ('encoder.layers[3:9]', 'is a ModuleList of 4'), ('encoder.layers[2:2]', 'is a ModuleList of 4')])
def test_names_that_overlap_or_lead_beyond_are_refused(layers, message):
    with pytest.raises(ValueError, match=message):
        find_layer_stacks(Holder(encoder=Holder(layers=blocks(4))), layers)


@pytest.mark.parametrize('path', ['encoder.blocks', 'head'])
def test_a_wrong_path_lists_the_candidates(path):
    model = Holder(encoder=Holder(layers=blocks(4)), head=nn.Linear(2, 2))
    with pytest.raises(ValueError, match=r'encoder\.layers \(4 x'):
        find_layer_stacks(model, path)
