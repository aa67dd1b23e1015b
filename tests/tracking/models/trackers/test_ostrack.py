"""What OSTrack says about inputs that it does not take."""
import pytest
import torch


def test_several_templates_are_refused(make_tracker):
    pairs = dict(template=torch.zeros(2, 3, 3, 64, 64), search=torch.zeros(2, 3, 128, 128))
    with pytest.raises(ValueError, match=r'takes one template, .* not \(2, 3, 3, 64, 64\): set num_templates=1'):
        make_tracker()(pairs)
