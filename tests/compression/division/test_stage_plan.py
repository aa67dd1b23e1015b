import pytest

from ct_mm.compression import StagePlan


def test_every_even_plan_covers_all_layers_with_stages_of_nearly_equal_size():
    for layers, stages in ((n, k) for n in range(1, 25) for k in range(1, n + 1)):
        plan = StagePlan.even(layers, stages)
        assert [layer for stage in plan.stages for layer in stage] == list(range(layers))
        sizes = [len(stage) for stage in plan.stages]
        assert len(sizes) == stages and max(sizes) - min(sizes) <= 1


def test_published_plans():
    assert StagePlan.even(12, 4).copied_layers == ((2, ), (5, ), (8, ), (11, ))
    assert StagePlan.even(12, 8).num_stages == 8  # the released code cannot build this one
    assert StagePlan.from_sizes([2, 2, 6, 2]).stages == ((0, 1), (2, 3), (4, 5, 6, 7, 8, 9), (10, 11))


def test_copy_rules():
    assert StagePlan.even(6, 2, copy='first').copied_layers == ((0, ), (3, ))
    assert StagePlan.even(6, 2, copy='mean').copied_layers == ((0, 1, 2), (3, 4, 5))
    with pytest.raises(ValueError, match='last, first, mean'):
        StagePlan.even(6, 2, copy='middle')


@pytest.mark.parametrize('stages', [((0, 1), (3, )), ((0, 1), (1, 2)), ((1, 0), (2, )), ((0, 1), ()), ()])
def test_a_plan_with_holes_repeats_or_disorder_is_refused_and_printed(stages):
    with pytest.raises(ValueError, match='exactly once') as error:
        StagePlan(stages)
    if stages:
        assert 'stage 0: teacher layers' in str(error.value)


@pytest.mark.parametrize('stages', [0, 13, -1])
def test_more_stages_than_layers_or_none_is_refused(stages):
    with pytest.raises(ValueError, match=f'num_stages={stages} must be between 1 and the 12 layers'):
        StagePlan.even(12, stages)


def test_sizes_must_add_up():
    with pytest.raises(ValueError, match='add up to 11 layers, but the teacher has 12'):
        StagePlan.from_sizes([2, 2, 6, 1], num_layers=12)
    with pytest.raises(ValueError, match='at least one teacher layer'):
        StagePlan.from_sizes([2, 0, 10])


def test_stages_of_several_student_layers_are_split_into_parts():
    plan = StagePlan.from_sizes([3, 1, 4], layers_per_stage=[2, 1, 3])
    assert plan.parts == ((0, 1), (2, ), (3, ), (4, ), (5, 6), (7, ))
    assert plan.num_stages == 3 and plan.num_student_layers == 6 and plan.ends == (2, 3, 7)
    assert plan.student_places == (1, 2, 3, 4, 6, 7)
    assert plan.copied_layers == ((1, ), (2, ), (3, ), (4, ), (6, ), (7, ))
    assert StagePlan.even(12, 4, layers_per_stage=3).student_places == tuple(range(12)), 'all layers, four stages'
    one = StagePlan.even(12, 4)
    assert one.parts == one.stages and one.student_places == one.ends


@pytest.mark.parametrize('layers_per_stage', [3, [1, 1, 1], [2, 0]])
def test_more_student_layers_than_a_stage_has_or_none_are_refused(layers_per_stage):
    with pytest.raises(ValueError, match='layers_per_stage=.* from one student layer to as many as it has') as error:
        StagePlan.from_sizes([2, 4], layers_per_stage=layers_per_stage)
    assert 'stage 0: teacher layers 0, 1' in str(error.value)
