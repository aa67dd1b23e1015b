"""Training pairs as pictures."""
import cv2
import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from ct_mm.tracking.structures import TrackDataSample
from ct_mm.tracking.transforms import PackTrackInputs
from ct_mm.tracking.visualization.draw_pairs import draw_pair, make_sheet, write_image


def crop(side, seed):
    return np.random.default_rng(seed).integers(60, 250, (side, side, 3), np.uint8)


@pytest.fixture
def pair():
    results = dict(
        template=dict(img=crop(64, 0), bbox=np.array([16, 16, 48, 48])),
        search=dict(img=crop(128, 1), bbox=np.array([40, 50, 100, 110])),
        source=['data/walk/00000001.jpg', 'data/walk/00000009.jpg'])
    return PackTrackInputs().transform(results)


def test_the_pixels_are_those_of_the_pair_and_the_box_is_in_the_search_region(pair):
    picture = draw_pair(pair, 'draw 3')
    np.testing.assert_array_equal(picture[:128:2, :128:2], crop(64, 0))  # twice as large, side by side
    search = picture[:256, 136:392]
    changed = (search != crop(128, 1).repeat(2, 0).repeat(2, 1)).any(axis=2)
    ys, xs = np.nonzero(changed)
    for found, expected in ((xs.min(), 80), (xs.max(), 200), (ys.min(), 100), (ys.max(), 220)):
        assert abs(found - expected) <= 4, 'the box, times two, with its line'
    assert not changed[110:210, 90:190].any()


def test_several_templates_are_all_drawn(pair):
    pair['inputs']['template'] = torch.stack([pair['inputs']['template'],
                                              torch.from_numpy(crop(64, 2).transpose(2, 0, 1))])
    picture = draw_pair(pair)
    np.testing.assert_array_equal(picture[:128:2, :128:2], crop(64, 0))
    np.testing.assert_array_equal(picture[:128:2, 136:264:2], crop(64, 2))
    assert picture.shape[1] == 2 * 136 + 264


def test_the_caption_has_a_line_for_the_title_and_each_source(pair):
    plain = draw_pair(pair)
    named = draw_pair(pair, 'draw 7')
    assert named.shape[0] > plain.shape[0] and (named[plain.shape[0] - 256:] != named[-1, -1]).any()
    sample = pair['data_samples']
    sample.set_metainfo(dict(source=['a/' + 300 * 'x' + 'ü.jpg']))
    assert draw_pair(pair).shape[1] == plain.shape[1] and draw_pair(pair).shape[0] < plain.shape[0]


def test_what_is_no_pair():
    message = r"from ct_mm.PackTrackInputs has inputs.template and inputs.search, not inputs with \['video'\]"
    with pytest.raises(ValueError, match=message):
        draw_pair(dict(inputs=dict(video=None)))
    sample = TrackDataSample()
    sample.gt_instances = InstanceData(bboxes=torch.tensor([[1., 2., 3., 4.]]))
    image = torch.zeros(3, 8, 8)
    with pytest.raises(ValueError, match='template of a training pair must be uint8'):
        draw_pair(dict(inputs=dict(template=image, search=image), data_samples=sample))


def test_a_sheet_holds_every_picture(tmp_path):
    pictures = [np.full((20 + i, 30, 3), 100 + i, np.uint8) for i in range(5)]
    sheet = make_sheet(pictures, columns=2)
    for i in range(5):
        assert (sheet == 100 + i).all(axis=2).sum() == (20 + i) * 30
    path = write_image(tmp_path / 'new' / 'sheet.png', sheet)
    np.testing.assert_array_equal(cv2.imread(str(path))[..., ::-1], sheet)
    assert list(path.parent.iterdir()) == [path]
