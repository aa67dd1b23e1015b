"""The error of frames that do not come."""


class SourceError(OSError):
    """A source of frames stopped before its end: a stream dropped, a frame is damaged or of another size.

    The message names the frame. What was tracked before it is right.
    """
