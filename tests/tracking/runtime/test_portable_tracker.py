"""The tracker around an exported network, with the network left to PyTorch."""
import numpy as np
import pytest

from ct_mm.tracking.runtime.geometries import SquareCrops
from ct_mm.tracking.runtime.memories import FixedTemplate
from ct_mm.tracking.runtime.model_card import ModelCard
from ct_mm.tracking.runtime.portable_tracker import PortableTracker


class Session:
    """A network that is asked for its box by the given function."""

    precision, batched = 'fp32', False

    def __init__(self, answer, template_factor=2.0, search_factor=4.0):
        self.card = ModelCard.of('OSTrack', SquareCrops(64, 128, template_factor, search_factor), FixedTemplate(),
                                 layers=2)
        self.answer, self.seen = answer, []

    def __call__(self, inputs, outputs):
        self.seen.append((inputs['template'].copy(), inputs['search'].copy()))
        return dict(box=self.answer(inputs['search'])[None], score=np.array([[0.5]]))

    def __repr__(self):
        return 'nothing'


@pytest.fixture
def still():
    """A session that says that the target has not moved: as large as a quarter of the search region, in its middle."""
    return Session(lambda search: np.array([0.5, 0.5, 0.25, 0.25]))


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)


def test_boxes_are_those_of_the_tracker_in_pytorch_to_the_last_digit(make_tracker, sequences):
    for sequence in sequences:
        tracker = make_tracker()
        network = make_tracker()
        network.init(sequence[0], sequence.boxes[0])
        session = Session(lambda search, network=network: network.locate(search[0])[0])
        portable = PortableTracker(session)
        portable.init(sequence[0], sequence.boxes[0])
        tracker.init(sequence[0], sequence.boxes[0])
        for frame in sequence:
            expected, _ = tracker.track(frame)
            box, score = portable.track(frame)
            assert box.dtype == np.float64 and score == 0.5
            np.testing.assert_array_equal(box, expected)


def test_the_network_gets_the_crops_that_its_card_says(still, image):
    tracker = PortableTracker(still)
    tracker.init(image, [30, 20, 40, 40])
    box, _ = tracker.track(image)
    template, search = still.seen[0]
    assert template.shape == (1, 64, 64, 3) and search.shape == (1, 128, 128, 3) and search.dtype == np.uint8
    np.testing.assert_allclose(box, [30, 20, 40, 40])  # a quarter of a region of four times its side
    assert still.seen[0][0] is not still.seen[0][1] and len(still.seen) == 1


def test_the_template_is_that_of_the_last_start(still, image):
    tracker = PortableTracker(still)
    tracker.init(image, [30, 20, 40, 40])
    tracker.track(image)
    tracker.init(image[:60, :80], [10, 10, 20, 20])
    tracker.track(image[:60, :80])
    assert not np.array_equal(still.seen[0][0], still.seen[1][0])


def test_a_returned_box_may_be_changed(still, image):
    tracker = PortableTracker(still)
    tracker.init(image, [30, 20, 40, 40])
    first, _ = tracker.track(image)
    first[:] = 0
    np.testing.assert_allclose(tracker.track(image)[0], [30, 20, 40, 40])


def test_a_target_that_leaves_stays_at_the_border(image):
    tracker = PortableTracker(Session(lambda search: np.array([0.9, 0.9, 0.2, 0.2])))
    tracker.init(image, [100, 70, 20, 20])
    for _ in range(5):
        box, _ = tracker.track(image)
    assert box.tolist() == [110, 80, 10, 10]


def test_tracking_before_a_start_says_what_to_call(still, image):
    with pytest.raises(RuntimeError, match=r'call init\(image, box\)'):
        PortableTracker(still).track(image)


@pytest.mark.parametrize('box, message', [([200, 10, 5, 5], 'outside of the 120x90 frame'), ([1, 2, 0, 4], 'no area'),
                                          ([1, 2, 3], 'four finite numbers')])
def test_a_wrong_start_leaves_the_tracker_as_it_was(still, image, box, message):
    tracker = PortableTracker(still)
    tracker.init(image, [30, 20, 40, 40])
    with pytest.raises(ValueError, match=message):
        tracker.init(image, box)
    np.testing.assert_allclose(tracker.track(image)[0], [30, 20, 40, 40])


@pytest.mark.parametrize('frame, message', [
    (np.zeros((60, 80, 3), np.uint8), '80x60 pixels.*started on 120x90'), (np.zeros((90, 120, 3)), 'float64'),
    (np.zeros((90, 120), np.uint8), r'\(90, 120\)')])
def test_a_frame_of_another_kind_is_refused_and_changes_nothing(still, image, frame, message):
    tracker = PortableTracker(still)
    tracker.init(image, [30, 20, 40, 40])
    with pytest.raises(ValueError, match=message):
        tracker.track(frame)
    np.testing.assert_allclose(tracker.track(image)[0], [30, 20, 40, 40])


def test_it_says_what_it_is(still):
    assert repr(PortableTracker(still)) == 'PortableTracker(nothing, OSTrack, layers=2)'
    assert PortableTracker(still).precision == 'fp32'
