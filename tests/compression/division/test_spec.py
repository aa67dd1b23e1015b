import pytest
from torch import nn

from ct_mm.compression.division.layer_stack import LayerStack
from ct_mm.compression.division.spec import DivisionSpec

ENCODER, DECODER = (LayerStack(f'{name}.layers', tuple(nn.Identity() for _ in range(count)))
                    for name, count in (('encoder', 6), ('decoder', 4)))


def plan_stacks(stacks, **settings):
    return [division.plan for division in DivisionSpec(**settings).resolve(stacks)]


def sizes(plans):
    return [[len(stage) for stage in plan.stages] for plan in plans]


def test_one_value_is_for_all_and_a_list_has_one_for_each():
    assert sizes(plan_stacks([ENCODER, DECODER], num_stages=2)) == [[3, 3], [2, 2]]
    assert sizes(plan_stacks([ENCODER, DECODER], num_stages=[3, 1])) == [[2, 2, 2], [4]]
    assert sizes(plan_stacks([ENCODER, DECODER], stage_sizes=[[1, 5], [4]])) == [[1, 5], [4]]
    assert sizes(plan_stacks([DECODER, DECODER], stage_sizes=[3, 1])) == [[3, 1], [3, 1]]
    plans = plan_stacks([ENCODER, DECODER], num_stages=2, copy=['first', 'mean'], layers_per_stage=[2, [1, 2]])
    assert [plan.copy for plan in plans] == ['first', 'mean']
    assert [plan.layers_per_stage for plan in plans] == [(2, 2), (1, 2)]
    assert plan_stacks([ENCODER], num_stages=2, layers_per_stage=[1, 3])[0].num_student_layers == 4


def test_an_error_names_the_stack_and_the_way_out():
    with pytest.raises(ValueError, match=r'between 1 and the 4 layers(.|\n)*decoder.layers \(4 x Identity\), one of 2 '
                                         r'stacks(.|\n)*list of 2 as num_stages'):
        plan_stacks([ENCODER, DECODER], num_stages=5)
    with pytest.raises(ValueError, match=r'num_stages=\[1, 2, 3\] has 3 values for 2 stacks'):
        plan_stacks([ENCODER, DECODER], num_stages=[1, 2, 3])


def test_a_list_of_arguments_is_for_the_blocks_of_every_stack_and_a_list_of_lists_is_one_for_each():

    def rules(value):
        spec = DivisionSpec(num_stages=2, pass_through=value)
        return [division.pass_through for division in spec.resolve([ENCODER, DECODER])]

    assert rules((0, None)) == [(0, None), (0, None)]
    assert rules(None) == [None, None] and rules(0) == [0, 0]
    assert rules([(0, None), 0]) == [(0, None), 0]
