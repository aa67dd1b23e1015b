"""BadFrames: counts the frames that training skips in all of its workers."""
import logging

from mmengine.dist import get_rank
from mmengine.logging import print_log
from torch.utils.data import get_worker_info

from .worker_memory import SharedTexts

_BYTES = 512  # maximum length of a stored message
_SHOWN = 10  # maximum number of messages in the error


class BadFrames:
    """Logs each bad frame once, and raises an error when there are too many.

    The messages are stored in shared memory, so that all workers of a data loader, forked or spawned, share one count
    in all epochs. Each rank of a distributed training counts separately.

    Args:
        limit: Maximum number of bad frames that training tolerates.
    """

    def __init__(self, limit: int) -> None:
        if limit < 0:
            raise ValueError(f'max_bad_frames must not be negative, got {limit}')
        self.limit = limit
        self._texts = SharedTexts(limit + 1, _BYTES)

    def messages(self) -> list[str]:
        """Returns one message for each bad frame, sorted."""
        return sorted({*self._texts} - {''})

    def add(self, error: Exception) -> None:
        """Records one bad frame.

        Args:
            error: Its message names the frame and is the same every time this frame is read.

        Raises:
            RuntimeError: There are more than ``limit`` bad frames; the message names them and the way out.
        """
        texts = [*self._texts]
        if str(error).encode()[:_BYTES].decode(errors='replace') in texts:
            return
        # Workers start at different rows, so that they do not write to the same one at the same time.
        worker = get_worker_info()
        start = 0 if worker is None else worker.id * len(texts) // worker.num_workers
        rows = (*range(start, len(texts)), *range(start))
        # Two workers that meet a frame at the same time both note it; the second note gives its place to another.
        free = next((row for row in rows if not texts[row] or texts[row] in texts[:row]), None)
        if free is not None:
            self._texts[free] = str(error)
        count = len(self.messages())
        # Other ranks than the first log nothing below the level of an error.
        print_log(f'skipping bad frame {count} (at most {self.limit}) and drawing another pair: {error}',
                  logger='current', level=logging.ERROR if get_rank() else logging.WARNING)
        if count > self.limit or free is None:
            raise RuntimeError(self._report()) from error

    def _report(self) -> str:
        messages = self.messages()
        shown = ''.join(f'\n  {message}' for message in messages[:_SHOWN])
        more = f'\n  and {len(messages) - _SHOWN} more, see the log' if len(messages) > _SHOWN else ''
        return (f'{len(messages)} bad frames, more than max_bad_frames={self.limit}:{shown}{more}\nCopy or download '
                'these files again, or raise train_dataloader.dataset.max_bad_frames to train without them')
