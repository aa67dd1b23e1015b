"""The error of a frame that cannot be trained on."""


class BadFrameError(ValueError):
    """A frame can be read, but its annotation is unusable; the message names the frame.

    A training skips such a frame as it skips one that cannot be read (``OSError``); see ``PairDataset``.
    """
