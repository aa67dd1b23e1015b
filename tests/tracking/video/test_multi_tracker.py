import numpy as np
import pytest
import torch

from ct_mm.tracking.runtime import PortableTracker
from ct_mm.tracking.runtime.geometries import SquareCrops
from ct_mm.tracking.runtime.memories import FixedTemplate
from ct_mm.tracking.runtime.model_card import ModelCard
from ct_mm.tracking.video.multi_tracker import MultiTracker

BOXES = np.array([[40., 30, 20, 24], [90, 60, 30, 16], [10, 70, 24, 24]])


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 255, (3, 121, 161, 3), np.uint8)


class Session:
    """A network that sees where the search region is brightest."""

    card, precision = ModelCard.of('Test', SquareCrops(8, 16), FixedTemplate()), 'fp32'

    def __init__(self, batched=False):
        self.batched, self.calls = batched, 0

    def __call__(self, inputs, outputs):
        self.calls += 1
        peaks = [np.unravel_index(search.sum(-1, dtype=int).argmax(), search.shape[:2]) for search in inputs['search']]
        return dict(box=np.array([[(x + 0.5) / 16, (y + 0.5) / 16, 0.25, 0.3] for y, x in peaks]),
                    score=inputs['template'].mean((1, 2, 3))[:, None] / 255)


def alone(make, images, box):
    tracker = make()
    tracker.init(images[0], box)
    return [tracker.track(image) for image in images[1:]]


@pytest.mark.parametrize('kind', ['portable', 'batched', 'pytorch'])
def test_each_target_is_tracked_as_if_it_were_alone(kind, images, make_tracker):
    session = Session(batched=kind == 'batched')
    make = make_tracker if kind == 'pytorch' else lambda: PortableTracker(session)
    tracker = MultiTracker(make())
    tracker.init(images[0], BOXES)
    results = [tracker.track(image) for image in images[1:]]
    for index, box in enumerate(BOXES):
        for (boxes, scores), (expected, score) in zip(results, alone(make, images, box)):
            pixels, part = (0.05, 1e-4) if kind == 'pytorch' else (0, 0)  # a batch is computed in another order
            np.testing.assert_allclose(boxes[index], expected, atol=pixels)
            assert scores[index] == pytest.approx(score, abs=part) and boxes.shape == (3, 4) and scores.shape == (3, )
    alone_calls = 2 * len(BOXES)
    assert session.calls == dict(portable=6 + alone_calls, batched=2 + alone_calls, pytorch=0)[kind]


def test_weights_are_shared_and_state_is_not(images):
    class Stateful(torch.nn.Module):
        """Keeps state in every place there is."""

        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(3, 3)
            self.layer.seen = []
            self.register_buffer('last', torch.zeros(4))

        def init(self, image, box):
            self.last.copy_(torch.from_numpy(box))

        def track(self, image):
            self.layer.seen.append(0)
            return self.last.numpy(), float(len(self.layer.seen))

    tracker = MultiTracker(Stateful())
    tracker.init(images[0], BOXES)
    boxes, scores = tracker.track(images[1])
    np.testing.assert_array_equal(boxes, BOXES)
    assert scores.tolist() == [1, 1, 1]
    first, second, _ = tracker._twins
    assert first.layer.weight is second.layer.weight


def test_it_can_be_started_again_on_fewer_targets(images):
    tracker = MultiTracker(PortableTracker(Session()))
    tracker.init(images[0], BOXES)
    tracker.init(images[0], BOXES[1:2])
    assert tracker.track(images[1])[0].shape == (1, 4)


@pytest.mark.parametrize('boxes, message', [([], 'no target'), ([BOXES[0], [200, 0, 10, 10]], 'lies outside'),
                                            ([[1, 2, 3, np.nan]], 'four finite numbers')])
def test_wrong_boxes(images, boxes, message):
    with pytest.raises(ValueError, match=message):
        MultiTracker(PortableTracker(Session())).init(images[0], boxes)
