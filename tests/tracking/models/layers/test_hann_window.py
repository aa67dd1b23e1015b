"""The cosine window."""
import pytest
import torch

from ct_mm.tracking.models.layers.center_head import hann_window


@pytest.mark.parametrize('size', [8, 16])
def test_equals_the_released_code(reference, size):
    window = hann_window(size)
    assert window.dtype == torch.float32
    torch.testing.assert_close(
        window, torch.from_numpy(reference('crop_and_box_official')[f'hann_{size}']), rtol=0, atol=1e-6)


def test_size_zero_is_an_error():
    with pytest.raises(ValueError, match='size must be at least 1'):
        hann_window(0)
