"""A tracker for exported networks; requires only numpy, OpenCV and the runtime of the network."""
from __future__ import annotations

from ct_mm.tracking.runtime.looping_tracker import LoopingTracker
from ct_mm.tracking.runtime.sessions.session import Session
from ct_mm.tracking.runtime.tracking_loop import TrackingLoop


class PortableTracker(LoopingTracker):
    """Tracks with an exported network, with the interface of a PyTorch tracker: ``init``, then ``track`` per frame.

    Args:
        session: The loaded network.
    """

    def __init__(self, session: Session) -> None:
        self.session, self.card = session, session.card

    @property
    def precision(self) -> str:
        """The precision in which the network computes."""
        return self.session.precision

    def __repr__(self) -> str:
        return f'PortableTracker({self.session!r}, {self.card.tracker}, layers={self.card.layers})'

    def make_loop(self) -> TrackingLoop:
        """Returns the loop that runs the session."""
        return TrackingLoop(self.session)
