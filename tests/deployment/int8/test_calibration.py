"""Crops to calibrate on, from sequences and from photographs."""
import cv2
import numpy as np
import pytest

from ct_mm.deployment.int8.calibration import calibration_crops


@pytest.fixture
def card(make_tracker):
    return make_tracker().card()


@pytest.fixture
def photographs(tmp_path):
    """Two noisy photographs, one in a folder below."""
    rng = np.random.default_rng(0)
    for name in ('photos/a.png', 'photos/more/b.png'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / name), rng.integers(100, 256, (90, 120, 3), np.uint8))
    return tmp_path / 'photos'


def test_photographs_give_as_many_pairs_as_asked_for(photographs, card):
    pairs = list(calibration_crops(photographs, card, 6))
    assert len(pairs) == 6
    for template, search in (pair.values() for pair in pairs):
        assert template.shape == (1, 64, 64, 3) and search.shape == (1, 128, 128, 3)
        assert template.dtype == search.dtype == np.uint8 and template.max() > 100


def test_label_maps_beside_their_photographs_are_no_photographs(photographs, card):
    cv2.imwrite(str(photographs / 'a_segments.png'), np.zeros((90, 120), np.uint8))
    assert all(pair['template'].max() > 100 for pair in calibration_crops(photographs, card, 12))
    (photographs / 'a.png').unlink()  # alone it is a picture like any other
    assert any(pair['template'].max() <= 100 for pair in calibration_crops(photographs, card, 12))


def test_the_same_seed_gives_the_same_pairs(photographs, card):
    first, again, other = ([pair['search'] for pair in calibration_crops(photographs, card, 3, seed)]
                           for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_sequences_give_pairs_with_the_target_in_them(tmp_path, card):
    folder = tmp_path / 'data' / 'walk'
    folder.mkdir(parents=True)
    for index in range(3):
        image = np.zeros((90, 120, 3), np.uint8)
        image[30:50, 40 + 4 * index:60 + 4 * index] = (0, 0, 255)  # BGR
        cv2.imwrite(str(folder / f'{index}.png'), image)
    (folder / 'groundtruth.txt').write_text('\n'.join(f'{40 + 4 * index},30,20,20' for index in range(3)))
    for pair in calibration_crops(tmp_path / 'data', card, 5):
        template, search = pair.values()
        assert template[0, 32, 32].tolist() == [255, 0, 0] and search[..., 0].max() == 255


def test_a_folder_that_is_not_there_or_empty(tmp_path, card):
    with pytest.raises(FileNotFoundError, match='calibration data folder .*nowhere does not exist'):
        next(calibration_crops(tmp_path / 'nowhere', card))
    with pytest.raises(FileNotFoundError, match='holds neither sequences .* nor images'):
        next(calibration_crops(tmp_path, card))


def test_a_photograph_that_cannot_be_read_is_named(photographs, card):
    (photographs / 'a.png').write_text('no picture')
    with pytest.raises(OSError, match='a.png'):
        list(calibration_crops(photographs, card, 6))
