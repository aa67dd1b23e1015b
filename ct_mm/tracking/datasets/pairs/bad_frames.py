"""BadFrames: what a training has skipped, over all of its workers."""
import logging

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.logging import print_log
from torch.utils.data import get_worker_info

_BYTES = 512  # of a message that are kept
_SHOWN = 10  # messages in the error


class BadFrames:
    """Names each bad frame once in the log, and gives up when there are too many.

    The messages lie in shared memory, so that all workers of a data loader, forked or spawned, and of all epochs, count
    together. Each rank of a distributed training counts for itself.

    Args:
        limit: Most bad frames that are put up with.
    """

    def __init__(self, limit: int) -> None:
        if limit < 0:
            raise ValueError(f'max_bad_frames must not be negative, got {limit}')
        self.limit = limit
        self._table = torch.zeros(limit + 1, _BYTES, dtype=torch.uint8).share_memory_()

    def messages(self) -> list[str]:
        """What was wrong, one message for each bad frame, in no particular order."""
        rows = self._table.numpy()
        return sorted({row.tobytes().rstrip(b'\0').decode(errors='replace') for row in rows[rows[:, 0] > 0]})

    def add(self, error: Exception) -> None:
        """Notes one bad frame.

        Args:
            error: Its message names the frame and is the same each time the frame is met.

        Raises:
            RuntimeError: There are more than ``limit``; the message names them and the way out.
        """
        message = str(error).encode()[:_BYTES]
        rows = self._table.numpy()  # (limit + 1, _BYTES)
        if any(row.tobytes().rstrip(b'\0') == message for row in rows[rows[:, 0] > 0]):
            return
        # Workers begin at different rows, so that they do not write to the same one at the same time.
        worker = get_worker_info()
        start = 0 if worker is None else worker.id * len(rows) // worker.num_workers
        free = next((row for row in (*rows[start:], *rows[:start]) if not row[0]), None)
        if free is not None:
            free[:len(message)] = np.frombuffer(message, np.uint8)
        count = len(self.messages())
        # The other ranks of a distributed training show nothing below an error.
        print_log(f'bad frame {count}, of at most {self.limit}, is skipped and another pair drawn: {error}',
                  logger='current', level=logging.ERROR if get_rank() else logging.WARNING)
        if count > self.limit or free is None:
            raise RuntimeError(self._report()) from error

    def _report(self) -> str:
        messages = self.messages()
        shown = ''.join(f'\n  {message}' for message in messages[:_SHOWN])
        more = f'\n  and {len(messages) - _SHOWN} more, see the log' if len(messages) > _SHOWN else ''
        return (f'{len(messages)} bad frames, more than max_bad_frames={self.limit}:{shown}{more}\nCopy or download '
                'these files again, or raise train_dataloader.dataset.max_bad_frames to train without them')
