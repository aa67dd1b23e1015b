"""The search region is the leader's, the box the tracker's own."""
import numpy as np

from ct_mm.deployment.int8.comparable_trackers import FollowingTracker
from ct_mm.tracking.runtime.geometries import SquareCrops
from ct_mm.tracking.runtime.memories import FixedTemplate
from ct_mm.tracking.runtime.model_card import ModelCard
from ct_mm.tracking.runtime.portable_tracker import PortableTracker


class Session:
    """A network that always finds the target at one place of its search region, and keeps what it saw."""

    def __init__(self, centre):
        self.card, self.batched = ModelCard.of('OSTrack', SquareCrops(16, 32), FixedTemplate()), False
        self.centre, self.seen = centre, []

    def __call__(self, inputs, outputs):
        self.seen.append(inputs['search'])
        return dict(box=np.array([[*self.centre, 0.25, 0.25]]), score=np.array([[0.9]]))


def test_it_looks_where_the_leader_looked(image):
    still, drifting, alone = (PortableTracker(Session(centre)) for centre in ((0.5, 0.5), (0.7, 0.5), (0.7, 0.5)))
    leader = PortableTracker(Session((0.5, 0.5)))
    follower = FollowingTracker(drifting, leader)
    for tracker in (still, follower, alone):
        tracker.init(image, np.array([50., 35., 10., 10.]))
    for _ in range(3):
        right, own = still.track(image)[0], follower.track(image)[0]
        far = alone.track(image)[0]
        assert own[0] - right[0] == 8  # a fifth of a region four times as wide as the target
    assert far[0] - right[0] > 16
    for theirs, ours in zip(still.session.seen, drifting.session.seen):
        np.testing.assert_array_equal(theirs, ours)
