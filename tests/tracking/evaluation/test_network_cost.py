"""What each part of a tracker costs."""
from ct_mm.tracking.evaluation.tracker_cost import network_cost


def test_parts_are_those_of_the_formulas_and_sum_to_the_whole(make_tracker):
    tokens, width, layers = 16 + 64, 32, 3
    block = 12 * tokens * width**2 + 2 * tokens**2 * width  # multiply-adds; the second term is attention's
    patches = tokens * width * 3 * 16**2
    cost = network_cost(make_tracker(layers))
    parts = {part.name: part for part in cost.parts}
    assert list(parts) == ['backbone', 'head'] and cost.layers == layers
    assert parts['backbone'].macs == layers * block + patches and parts['backbone'].flops == 2 * parts['backbone'].macs
    for name in ('parameters', 'flops', 'macs'):
        assert sum(getattr(part, name) for part in cost.parts) == getattr(cost.total, name)


def test_what_belongs_to_no_part_is_told_too(make_tracker):
    tracker = make_tracker()
    track = tracker.track

    def with_a_product(image):
        tracker.window @ tracker.window  # (1, 1, 8, 8)
        return track(image)

    tracker.track = with_a_product
    others = network_cost(tracker).parts[-1]
    assert (others.name, others.parameters, others.macs) == ('others', 0, 8**3)
