"""What OSTrack says about inputs that it does not take."""
import numpy as np
import pytest
import torch

from ct_mm.registry import MODELS


def test_several_templates_are_refused(make_tracker):
    pairs = dict(template=torch.zeros(2, 3, 3, 64, 64), search=torch.zeros(2, 3, 128, 128))
    with pytest.raises(ValueError, match=r'one template \(B, 3, H, W\), not \(2, 3, 3, 64, 64\): set num_templates=1'):
        make_tracker()(pairs)


def test_the_margin_bounds_the_size_of_a_box(tiny_model, make_tracker):
    frame, start = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8), np.array([50., 40., 6., 4.])
    sides = {}
    for margin in (10.0, 1.0):
        tracker = MODELS.build(dict(tiny_model(), margin=margin)).eval()
        tracker.load_state_dict(make_tracker().state_dict())
        tracker.head.size[-1].bias.data.fill_(-5)  # a small box, whatever it sees
        tracker.init(frame, start)
        sides[margin] = tracker.track(frame)[0][2:]
    assert sides[10.0].tolist() == [10, 10] and (sides[1.0] < 4).all()
